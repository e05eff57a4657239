using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Matrix.ToDevice;

/// <summary>Whether the store can be used, and whether hosts wake each other's syncs.</summary>
internal sealed class PostgreSqlHealthCheck(ITransactionStore transactions) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (transactions is not PostgreSqlStore store) return HealthCheckResult.Healthy("Another store is in use.");

        Opened opened;
        try
        {
            opened = await store.OpenAsync(cancellationToken);
            await opened.CheckAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, exception.Message, exception);
        }

        const string NotHeard = "Notifications of other hosts do not come through; waiting syncs look by themselves now and then. "
            + "LISTEN needs a connection of its own: not a pooler that hands connections out for each transaction. Set Notifications to "
            + "true for a pooler that leaves a client its connection, to false where messages may come later.";
        try
        {
            return await opened.HearsAsync(cancellationToken) ? HealthCheckResult.Healthy() : HealthCheckResult.Degraded(NotHeard);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return HealthCheckResult.Degraded(NotHeard, exception);
        }
    }
}
