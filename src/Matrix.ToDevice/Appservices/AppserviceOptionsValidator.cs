using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

internal sealed class AppserviceOptionsValidator : IValidateOptions<AppserviceOptions>
{
    public ValidateOptionsResult Validate(string? name, AppserviceOptions options)
    {
        var failures = new OptionFailures(nameof(AppserviceOptions));
        foreach (var id in options.Appservices.CountBy(appservice => appservice.Id).Where(count => count.Value > 1).Select(count => count.Key))
            failures.Add(nameof(options.Appservices), id, "two appservices have this ID, which has to be unique");
        failures.AtLeastOne(options.MaxTransactionBytes, nameof(options.MaxTransactionBytes));
        failures.Positive(options.SendTimeout, nameof(options.SendTimeout));
        failures.Positive(options.MinPause, nameof(options.MinPause));
        failures.Positive(options.MaxPause, nameof(options.MaxPause));
        if (options.MaxPause < options.MinPause)
            failures.Add(nameof(options.MaxPause), options.MaxPause, $"{nameof(options.MinPause)} is longer");
        failures.Positive(options.LeaseDuration, nameof(options.LeaseDuration));
        failures.Positive(options.PollInterval, nameof(options.PollInterval));
        if (options.Expiry is { } expiry && expiry <= TimeSpan.Zero) failures.Add(nameof(options.Expiry), expiry, "it must be more than zero");
        return failures.Result;
    }
}
