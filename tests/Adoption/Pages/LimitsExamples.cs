using System.Threading.RateLimiting;
using Matrix.ToDevice;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Adoption;

/// <summary>What docs/limits.md and docs/configuration.md show; <see cref="LimitsTests"/> runs it.</summary>
internal static class LimitsExamples
{
    public static void LimitRates(WebApplicationBuilder builder)
    {
        // <limit-rates>
        builder.Services.AddSendToDevice().LimitRates(limits =>
        {
            limits.Senders = new() { Burst = 500, PerSecond = 20 };
            limits.Recipients = new() { Burst = 50, PerSecond = 1 };
            limits.Servers = new() { Burst = 1000, PerSecond = 100 };
        });
        // </limit-rates>
    }

    public static void LimitOthersThanAppservices(WebApplicationBuilder builder)
    {
        // <limit-own>
        builder.Services.AddSendToDevice().LimitRates(senders: PartitionedRateLimiter.Create<Requester, string>(requester => requester.IsAppservice
            ? RateLimitPartition.GetNoLimiter("")
            : RateLimitPartition.GetTokenBucketLimiter(
                requester.UserId, _ => new() { TokenLimit = 100, TokensPerPeriod = 10, ReplenishmentPeriod = TimeSpan.FromSeconds(1) })));
        // </limit-own>
    }

    public static void SetQuota(WebApplicationBuilder builder)
    {
        // <limit-quota>
        builder.Services.AddSendToDevice(options =>
        {
            options.Quota.MaxMessages = 5000;
            options.Quota.MaxBytes = 20_000_000;
            options.Quota.Policy = QuotaPolicy.DropOldest;
        });
        // </limit-quota>
    }

    public static ISendToDeviceBuilder Bind(WebApplicationBuilder builder) =>
        // <bind-options>
        builder.Services.AddSendToDevice(builder.Configuration.GetSection("ToDevice"))
        // </bind-options>
        ;

    public static void BindStores(IServiceCollection services, IConfigurationSection options)
    {
        // <bind-stores>
        services.Configure<SqliteStoreOptions>(options.GetSection("Sqlite"));
        services.Configure<PostgreSqlStoreOptions>(options.GetSection("PostgreSql"));
        // </bind-stores>
    }

    // <limit-policy>
    internal sealed class NoLinks : IMessagePolicy
    {
        private static readonly ToDeviceError s_spam = new(403, "M_FORBIDDEN", "This looks like spam");

        public ValueTask<PolicyDecision> DecideAsync(PolicySend send, CancellationToken cancellationToken) => new(
            send.Origin == "spam.example" ? PolicyDecision.Drop(send.Messages.Select(message => message.Recipient))
            : send.Messages.Any(message => message.Content.Span.IndexOf("https://spam.example"u8) >= 0) ? PolicyDecision.Reject(s_spam)
            : PolicyDecision.Accept);
    }
    // </limit-policy>
}
