using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

internal sealed class AppserviceOptionsValidator(BoundSections? sections = null) : IValidateOptions<AppserviceOptions>
{
    public ValidateOptionsResult Validate(string? name, AppserviceOptions options)
    {
        var failures = new OptionFailures(nameof(AppserviceOptions), sections?.KeysOf(BoundSection.Appservices));
        foreach (var id in options.Appservices.CountBy(appservice => appservice.Id).Where(count => count.Value > 1).Select(count => count.Key))
            failures.Add(nameof(options.Appservices), id, "two appservices have this ID, which has to be unique");
        failures.AtLeastOne(options.MaxTransactionBytes, nameof(options.MaxTransactionBytes));
        failures.Positive(options.SendTimeout, nameof(options.SendTimeout));
        failures.Pauses(options.MinPause, nameof(options.MinPause), options.MaxPause, nameof(options.MaxPause));
        failures.Positive(options.LeaseDuration, nameof(options.LeaseDuration));
        failures.Positive(options.PollInterval, nameof(options.PollInterval));
        failures.PositiveOrNone(options.Expiry, nameof(options.Expiry));
        return failures.Result;
    }
}
