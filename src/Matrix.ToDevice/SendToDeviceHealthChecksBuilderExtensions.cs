using Matrix.ToDevice;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds the health of the send-to-device module to the host's health checks.</summary>
public static class SendToDeviceHealthChecksBuilderExtensions
{
    /// <summary>
    /// Adds a check, for every store. Unhealthy: the store cannot be read or written, or has not answered within
    /// <see cref="SendToDeviceOptions.HealthCheckTimeout"/>. Degraded: the store says what works less well than it could
    /// (<see cref="IStoreUpkeep.CheckAsync"/>), or EDUs wait for servers that have not failed for longer than
    /// <see cref="SendToDeviceOptions.OutboxStalledAfter"/>, or cannot be measured in time. The description says what to do about it.
    /// </summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="name">The check's name.</param>
    /// <param name="failureStatus">What to report when the store cannot be used; null for unhealthy.</param>
    /// <param name="tags">Tags to select checks by.</param>
    public static IHealthChecksBuilder AddSendToDevice(
        this IHealthChecksBuilder builder, string name = "to_device", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new HealthCheckRegistration(
            name, services => ActivatorUtilities.CreateInstance<SendToDeviceHealthCheck>(services), failureStatus, tags));
    }
}
