using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Matrix.ToDevice;

/// <summary>Whether the store can be used, and whether what waits for other servers gets on.</summary>
internal sealed class SendToDeviceHealthCheck(
    StoreProbe probe, LatestStatistics statistics, IServiceProviderIsService registered, CurrentOptions options,
    TimeProvider time) : IHealthCheck
{
    // What was measured a short while ago is good enough: a health check is asked every few seconds.
    private static readonly TimeSpan s_fresh = TimeSpan.FromMinutes(1);

    private readonly SendToDeviceOptions _options = options.Value;

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            var trouble = await probe.RunAsync(_options.HealthCheckTimeout, cancellationToken) ?? await FindStalledAsync(cancellationToken);
            return trouble is null ? HealthCheckResult.Healthy() : HealthCheckResult.Degraded(trouble);
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            return new HealthCheckResult(
                context.Registration.FailureStatus,
                $"The store has not answered in {_options.HealthCheckTimeout}: it hangs, or what writes to it is stuck.", exception);
        }
        catch (Exception exception)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, exception.Message, exception);
        }
    }

    /// <summary>A server that has failed has its pauses; what waits for one that has not, should be gone by now (D22).</summary>
    private async Task<string?> FindStalledAsync(CancellationToken cancellationToken)
    {
        if (!registered.IsService(typeof(IFederationTransport)) || !registered.IsService(typeof(IStoreUpkeep))) return null;

        StatisticsSample? sample;
        try
        {
            sample = statistics.Get(s_fresh)
                ?? await statistics.MeasureAsync(cancellationToken).WaitAsync(_options.HealthCheckTimeout, time, cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            // It takes as long as there is much, and the store can be read and written: no reason to end a host.
            return $"The store works, and what waits in it cannot be measured: {exception.Message}";
        }

        if (sample is null || sample.AgeOf(sample.Store.Working.OldestEdu) <= _options.OutboxStalledAfter) return null;
        return $"EDUs wait for {sample.Store.Working.Destinations} destinations that have not failed, the oldest for "
            + $"{sample.AgeOf(sample.Store.Working.OldestEdu):hh\\:mm\\:ss}: the sending to other servers does not get on. Is UseFederation() "
            + "on at a host that runs, and is MaxDestinations large enough?";
    }
}
