using Npgsql;

namespace Matrix.ToDevice.Tool;

/// <summary>
/// What was accepted in a store for many machines, and is not yet where it belongs: it is put there before the store is moved, by the package
/// itself, which does so wherever it is opened.
/// </summary>
internal static class Undelivered
{
    // Longer than the package leaves a machine alone that was down. Whoever gets on is given all the time.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20), s_turn = TimeSpan.FromMilliseconds(100);

    /// <summary>Delivers all of it.</summary>
    /// <exception cref="ToolException">Some of it cannot be delivered.</exception>
    public static async Task DeliverAsync(PostgreSqlAddress address, CancellationToken cancellationToken)
    {
        await using var connection = await PostgreSqlOpening.ConnectAsync(address, cancellationToken);
        await using var count = new NpgsqlCommand($"SELECT count(*) FROM {PostgreSqlOpening.Quote(address.Schema)}.to_device_intent", connection);
        var least = await CountAsync();
        if (least == 0) return;

        await using var services = await StoreServices.OpenAsync(address, migrate: false, cancellationToken);
        var since = TimeProvider.System.GetTimestamp();
        for (var waiting = least; waiting > 0; waiting = await CountAsync())
        {
            if (waiting < least) (least, since) = (waiting, TimeProvider.System.GetTimestamp());
            if (TimeProvider.System.GetElapsedTime(since) > s_patience)
            {
                throw ToolException.Unusable(
                    $"Of what was accepted in {address.Name}, {waiting} parts cannot be delivered, and nothing was moved. See that all machines are up and all hosts are stopped, and try again.");
            }

            await Task.Delay(s_turn, TimeProvider.System, cancellationToken);
        }

        async Task<long> CountAsync() => (long)(await count.ExecuteScalarAsync(cancellationToken))!;
    }
}
