using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

/// <summary>Gathers what is wrong with options, in sentences that name the option and its value.</summary>
internal sealed class OptionFailures(string options)
{
    private readonly List<string> _failures = [];

    public ValidateOptionsResult Result =>
        _failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(_failures);

    public void Add(string option, object value, string problem) => _failures.Add($"{options}.{option} is {value}; {problem}.");

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

    public void Positive(TimeSpan value, string option)
    {
        // The upper bound is what a timer can wait.
        if (value <= TimeSpan.Zero || value.TotalMilliseconds > uint.MaxValue - 1)
            Add(option, value, "it must be more than zero and less than 49 days");
    }
}
