using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

internal sealed class InMemoryOptionsValidator(BoundSections? sections = null) : IValidateOptions<InMemoryOptions>
{
    // Contents of every size have a block of their own; in less, a few sends would be all.
    private const long LeastCapacity = 16 << 20;

    public ValidateOptionsResult Validate(string? name, InMemoryOptions options)
    {
        var failures = new OptionFailures(nameof(InMemoryOptions), sections?.KeysOf(BoundSection.InMemory));
        if (options.CapacityBytes < LeastCapacity)
            failures.Add(nameof(options.CapacityBytes), options.CapacityBytes, $"it must be at least {LeastCapacity}");
        return failures.Result;
    }
}
