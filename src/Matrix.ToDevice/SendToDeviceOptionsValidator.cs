using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

internal sealed class SendToDeviceOptionsValidator(BoundSections sections, IServiceProviderIsService services) : IValidateOptions<SendToDeviceOptions>
{
    private const int LargestBody = 1 << 30;
    private const int LargestPage = 256 << 20;
    private const int SmallestEdu = 1024;

    // One in 30 years. Below it, the time to wait for a permit ends where no time can be reckoned.
    private const double SlowestRate = 1e-9;

    public ValidateOptionsResult Validate(string? name, SendToDeviceOptions options)
    {
        var failures = new OptionFailures(nameof(SendToDeviceOptions), sections.KeysOf());
        foreach (var key in sections.UnknownKeys) failures.AddUnknown(key);
        CheckSends(options, failures);
        failures.AtLeastOne(options.SyncLimit, nameof(options.SyncLimit));
        failures.AtLeastOne(options.SyncMaxBytes, nameof(options.SyncMaxBytes));
        if (options.SyncMaxBytes > LargestPage)
            failures.Add(nameof(options.SyncMaxBytes), options.SyncMaxBytes, $"a page is read into one array of at most {LargestPage} bytes");
        failures.Positive(options.TransactionRetention, nameof(options.TransactionRetention));
        failures.Positive(options.InboundRetention, nameof(options.InboundRetention));
        failures.Positive(options.PurgeInterval, nameof(options.PurgeInterval));
        failures.Positive(options.MaxSyncTimeout, nameof(options.MaxSyncTimeout));
        failures.Positive(options.SyncPollInterval, nameof(options.SyncPollInterval));
        failures.Positive(options.RetryAfter, nameof(options.RetryAfter));
        if (options.StatisticsInterval is { } interval) failures.Positive(interval, nameof(options.StatisticsInterval));
        failures.Positive(options.HealthCheckTimeout, nameof(options.HealthCheckTimeout));
        failures.Positive(options.OutboxStalledAfter, nameof(options.OutboxStalledAfter));
        CheckQuota(options.Quota, failures);
        Check(options.RateLimits.Senders, nameof(RateLimitOptions.Senders), 1, failures);
        Check(options.RateLimits.Recipients, nameof(RateLimitOptions.Recipients), 1, failures);
        Check(options.RateLimits.Servers, nameof(RateLimitOptions.Servers), InboundTransaction.MaxEdus, failures);
        failures.AgeOrNone(options.MessageExpiry, nameof(options.MessageExpiry));
        if (options.MessageExpiry is { } expiry) CheckStore(nameof(options.MessageExpiry), expiry, failures);
        return failures.Result;
    }

    private static void CheckSends(SendToDeviceOptions options, OptionFailures failures)
    {
        failures.AtLeastOne(options.MaxBodyBytes, nameof(options.MaxBodyBytes));
        if (options.MaxBodyBytes > LargestBody)
            failures.Add(nameof(options.MaxBodyBytes), options.MaxBodyBytes, $"a body is read into one array of at most {LargestBody} bytes");
        failures.AtLeastOne(options.MaxContentBytes, nameof(options.MaxContentBytes));
        failures.AtLeastOne(options.MaxContentDepth, nameof(options.MaxContentDepth));
        failures.AtLeastOne(options.MaxUsers, nameof(options.MaxUsers));
        failures.AtLeastOne(options.MaxDevices, nameof(options.MaxDevices));
        failures.AtLeastOne(options.MaxServers, nameof(options.MaxServers));
        if (options.MaxEduBytes < SmallestEdu)
            failures.Add(nameof(options.MaxEduBytes), options.MaxEduBytes, $"with its addresses, no content fits into fewer than {SmallestEdu} bytes");
        if (options.MaxInboundEduBytes is { } inbound && inbound < SmallestEdu)
            failures.Add(nameof(options.MaxInboundEduBytes), inbound, $"with its addresses, no content fits into fewer than {SmallestEdu} bytes");
    }

    private static void Check(RateLimit? limit, string whose, int leastBurst, OptionFailures failures)
    {
        if (limit is null) return;

        var option = $"{nameof(SendToDeviceOptions.RateLimits)}.{whose}";
        if (limit.Burst < leastBurst)
        {
            failures.Add(
                $"{option}.{nameof(limit.Burst)}", limit.Burst,
                leastBurst == 1 ? "it must be at least 1" : $"it must be at least {leastBurst}, which one transaction may hold: it would never get through");
        }

        if (!(limit.PerSecond > 0 && double.IsFinite(limit.PerSecond)))
            failures.Add($"{option}.{nameof(limit.PerSecond)}", limit.PerSecond, "it must be more than zero: how many come in a second, in the long run");
        else if (limit.PerSecond < SlowestRate)
            failures.Add($"{option}.{nameof(limit.PerSecond)}", limit.PerSecond, "it must be at least 1E-09, which is one in 30 years: whoever waits for longer is told no time");
    }

    private void CheckQuota(QuotaOptions quota, OptionFailures failures)
    {
        const string Quota = nameof(SendToDeviceOptions.Quota);
        const string MaxMessages = $"{Quota}.{nameof(QuotaOptions.MaxMessages)}", MaxBytes = $"{Quota}.{nameof(QuotaOptions.MaxBytes)}";
        const string MaxAge = $"{Quota}.{nameof(QuotaOptions.MaxAge)}", Policy = $"{Quota}.{nameof(QuotaOptions.Policy)}";
        if (quota.MaxMessages is { } messages)
        {
            if (messages < 1) failures.Add(MaxMessages, messages, "it must be at least 1");
            CheckStore(MaxMessages, messages, failures);
        }

        if (quota.MaxBytes is { } bytes)
        {
            if (bytes < 1) failures.Add(MaxBytes, bytes, "it must be at least 1");
            CheckStore(MaxBytes, bytes, failures);
        }

        if (!Enum.IsDefined(quota.Policy)) failures.Add(Policy, quota.Policy, "it must be Refuse, DropOldest or DropOld");
        failures.AgeOrNone(quota.MaxAge, MaxAge);
        if (quota is { Policy: QuotaPolicy.DropOld, MaxAge: null })
            failures.Add(MaxAge, "not set", $"{nameof(QuotaPolicy.DropOld)} needs it: how old a message has to be that may be dropped");
    }

    private void CheckStore(string option, object value, OptionFailures failures)
    {
        if (!services.IsService(typeof(IStoreUpkeep)))
            failures.Add(option, value, $"the store is no {nameof(IStoreUpkeep)}, and cannot tell how much waits in it, and since when");
    }
}
