using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Matrix.ToDevice;

/// <summary>Whether the store can be used, and whether hosts wake each other's syncs.</summary>
internal sealed class PostgreSqlHealthCheck(ITransactionStore transactions) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (transactions is not PostgreSqlStore store) return HealthCheckResult.Healthy("Another store is in use.");

        try
        {
            return await store.CheckAsync(cancellationToken) is { } trouble ? HealthCheckResult.Degraded(trouble) : HealthCheckResult.Healthy();
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, exception.Message, exception);
        }
    }
}
