using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

internal sealed class SendToDeviceOptionsValidator : IValidateOptions<SendToDeviceOptions>
{
    private const int LargestBody = 1 << 30;
    private const int LargestPage = 256 << 20;
    private const int SmallestEdu = 1024;

    public ValidateOptionsResult Validate(string? name, SendToDeviceOptions options)
    {
        var failures = new OptionFailures(nameof(SendToDeviceOptions));
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
        return failures.Result;
    }
}
