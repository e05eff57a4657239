using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

/// <summary>Gathers what is wrong with options, in sentences that name the option, its value, and its key if it comes from a configuration.</summary>
internal sealed class OptionFailures(string options, Func<string, string?>? keyOf = null)
{
    // Taken from the present time, it is still a moment of the calendar.
    private const int OldestDays = 36_500;

    private readonly List<string> _failures = [];

    public ValidateOptionsResult Result =>
        _failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(_failures);

    public void Add(string option, object value, string problem)
    {
        var key = keyOf?.Invoke(option) is { } found ? $", set as {found}," : "";
        _failures.Add($"{options}.{option}{key} is {value}; {problem}.");
    }

    /// <summary>A key of the configuration that nobody reads.</summary>
    public void AddUnknown(string key) => _failures.Add($"{key} is set, and there is no such option.");

    public void AtLeastOne(int value, string option)
    {
        if (value < 1) Add(option, value, "it must be at least 1");
    }

    /// <summary>The shortest and the longest pause after a failure.</summary>
    public void Pauses(TimeSpan min, string minOption, TimeSpan max, string maxOption)
    {
        Positive(min, minOption);
        Positive(max, maxOption);
        if (max < min) Add(maxOption, max, $"{minOption} is longer");
    }

    /// <summary>A time that may be none, and that nothing waits for.</summary>
    public void PositiveOrNone(TimeSpan? value, string option)
    {
        if (value is { } time && time <= TimeSpan.Zero) Add(option, time, "it must be more than zero");
    }

    /// <summary>How old something has to be; it may be none.</summary>
    public void AgeOrNone(TimeSpan? value, string option)
    {
        PositiveOrNone(value, option);
        if (value is { } time && time.TotalDays > OldestDays)
            Add(option, time, $"it must be no more than {OldestDays} days (a number alone is one of days)");
    }

    public void Positive(TimeSpan value, string option)
    {
        // The upper bound is what a timer can wait.
        if (value <= TimeSpan.Zero || value.TotalMilliseconds > uint.MaxValue - 1)
            Add(option, value, "it must be more than zero and less than 49 days");
    }
}
