using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

internal sealed class FederationSenderOptionsValidator(BoundSections? sections = null) : IValidateOptions<FederationSenderOptions>
{
    public ValidateOptionsResult Validate(string? name, FederationSenderOptions options)
    {
        var failures = new OptionFailures(nameof(FederationSenderOptions), sections?.KeysOf(BoundSection.Federation));
        failures.AtLeastOne(options.MaxEdus, nameof(options.MaxEdus));
        if (options.MaxEdus > InboundTransaction.MaxEdus)
            failures.Add(nameof(options.MaxEdus), options.MaxEdus, $"other servers take at most {InboundTransaction.MaxEdus}");
        failures.AtLeastOne(options.MaxTransactionBytes, nameof(options.MaxTransactionBytes));
        if (options.MaxDestinations < 2)
            failures.Add(nameof(options.MaxDestinations), options.MaxDestinations, "it must be at least 2: a place for servers that fail, and one for the others");
        if (options.MaxFailingDestinations is { } forFailing && (forFailing < 1 || forFailing >= options.MaxDestinations))
        {
            failures.Add(
                nameof(options.MaxFailingDestinations), forFailing,
                $"it must be at least 1 and less than {nameof(options.MaxDestinations)}, which is {options.MaxDestinations}");
        }

        failures.Positive(options.SendTimeout, nameof(options.SendTimeout));
        failures.Positive(options.SlowAfter, nameof(options.SlowAfter));
        failures.Pauses(options.MinPause, nameof(options.MinPause), options.MaxPause, nameof(options.MaxPause));
        failures.Positive(options.LeaseDuration, nameof(options.LeaseDuration));
        failures.Positive(options.PollInterval, nameof(options.PollInterval));
        failures.PositiveOrNone(options.Expiry, nameof(options.Expiry));
        failures.PositiveOrNone(options.UnreachableExpiry, nameof(options.UnreachableExpiry));
        return failures.Result;
    }
}
