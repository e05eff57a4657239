namespace Matrix.ToDevice.Tests;

/// <summary>The calls of an outbox's sender as tests make them: from the oldest EDU on, and for all destinations alike.</summary>
internal static class OutboxCalls
{
    public static ValueTask<IReadOnlyList<OutboxEntry>> ReadAsync(this IFederationOutbox outbox, string destination, int limit) =>
        outbox.ReadAsync(destination, 0, limit, CancellationToken.None);

    public static async Task RemoveAllAsync(this IFederationOutbox outbox, string destination) =>
        await outbox.RemoveAsync(destination, await outbox.ReadAsync(destination, int.MaxValue), CancellationToken.None);

    public static ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(this IFederationOutbox outbox, string holder, TimeSpan duration, int limit) =>
        outbox.AcquireAsync(holder, duration, limit, limit, TimeSpan.FromDays(1), CancellationToken.None);
}
