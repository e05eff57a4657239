using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

internal sealed class SendToDeviceOptionsValidator : IValidateOptions<SendToDeviceOptions>
{
    private const int LargestBody = 1 << 30;

    public ValidateOptionsResult Validate(string? name, SendToDeviceOptions options)
    {
        List<string> failures = [];
        AtLeastOne(options.MaxBodyBytes, nameof(options.MaxBodyBytes));
        if (options.MaxBodyBytes > LargestBody)
            failures.Add($"{nameof(SendToDeviceOptions)}.{nameof(options.MaxBodyBytes)} is {options.MaxBodyBytes}; a body is read into one array of at most {LargestBody} bytes.");
        AtLeastOne(options.MaxContentBytes, nameof(options.MaxContentBytes));
        AtLeastOne(options.MaxContentDepth, nameof(options.MaxContentDepth));
        AtLeastOne(options.SyncLimit, nameof(options.SyncLimit));
        Positive(options.TransactionRetention, nameof(options.TransactionRetention));
        Positive(options.InboundRetention, nameof(options.InboundRetention));
        Positive(options.PurgeInterval, nameof(options.PurgeInterval));
        Positive(options.MaxSyncTimeout, nameof(options.MaxSyncTimeout));
        Positive(options.SyncPollInterval, nameof(options.SyncPollInterval));
        Positive(options.RetryAfter, nameof(options.RetryAfter));
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);

        void AtLeastOne(int value, string option)
        {
            if (value < 1) failures.Add($"{nameof(SendToDeviceOptions)}.{option} is {value}; it must be at least 1.");
        }

        void Positive(TimeSpan value, string option)
        {
            // The upper bound is what a timer can wait.
            if (value <= TimeSpan.Zero || value.TotalMilliseconds > uint.MaxValue - 1)
                failures.Add($"{nameof(SendToDeviceOptions)}.{option} is {value}; it must be more than zero and less than 49 days.");
        }
    }
}
