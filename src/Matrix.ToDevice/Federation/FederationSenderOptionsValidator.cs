using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

internal sealed class FederationSenderOptionsValidator : IValidateOptions<FederationSenderOptions>
{
    public ValidateOptionsResult Validate(string? name, FederationSenderOptions options)
    {
        var failures = new OptionFailures(nameof(FederationSenderOptions));
        failures.AtLeastOne(options.MaxEdus, nameof(options.MaxEdus));
        if (options.MaxEdus > InboundTransaction.MaxEdus)
            failures.Add(nameof(options.MaxEdus), options.MaxEdus, $"other servers take at most {InboundTransaction.MaxEdus}");
        failures.AtLeastOne(options.MaxTransactionBytes, nameof(options.MaxTransactionBytes));
        failures.AtLeastOne(options.MaxDestinations, nameof(options.MaxDestinations));
        failures.AtLeastOne(options.MaxFailingDestinations, nameof(options.MaxFailingDestinations));
        if (options.MaxFailingDestinations >= options.MaxDestinations)
        {
            failures.Add(
                nameof(options.MaxFailingDestinations), options.MaxFailingDestinations,
                $"it must be less than {nameof(options.MaxDestinations)}, which is {options.MaxDestinations}");
        }

        failures.Positive(options.SendTimeout, nameof(options.SendTimeout));
        failures.Positive(options.SlowAfter, nameof(options.SlowAfter));
        failures.Positive(options.MinPause, nameof(options.MinPause));
        failures.Positive(options.MaxPause, nameof(options.MaxPause));
        if (options.MaxPause < options.MinPause)
            failures.Add(nameof(options.MaxPause), options.MaxPause, $"{nameof(options.MinPause)} is longer");
        failures.Positive(options.LeaseDuration, nameof(options.LeaseDuration));
        failures.Positive(options.PollInterval, nameof(options.PollInterval));
        if (options.Expiry is { } expiry && expiry <= TimeSpan.Zero) failures.Add(nameof(options.Expiry), expiry, "it must be more than zero");
        if (options.UnreachableExpiry is { } unreachable && unreachable <= TimeSpan.Zero)
            failures.Add(nameof(options.UnreachableExpiry), unreachable, "it must be more than zero");
        return failures.Result;
    }
}
