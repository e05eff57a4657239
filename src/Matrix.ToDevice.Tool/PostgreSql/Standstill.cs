using Npgsql;

namespace Matrix.ToDevice.Tool;

/// <summary>
/// Finds out whether a store for many machines was left alone while everything was read: the machines have no moment in common, and what is
/// accepted meanwhile may be seen in a part. Each look is by a connection of its own, which sees what there is then.
/// </summary>
internal sealed class Standstill
{
    private readonly PostgreSqlAddress _address;
    private readonly string _before;

    private Standstill(PostgreSqlAddress address, string before) => (_address, _before) = (address, before);

    /// <summary>Before the first look into the store.</summary>
    /// <exception cref="ToolException">Something was accepted and is not delivered.</exception>
    public static async Task<Standstill> BeginAsync(PostgreSqlAddress address, CancellationToken cancellationToken)
    {
        var (waiting, counts) = await LookAsync(address, cancellationToken);
        return waiting == 0 ? new Standstill(address, counts) : throw Disturbed(address);
    }

    /// <summary>Behind the last one.</summary>
    /// <exception cref="ToolException">Something was accepted, delivered or removed.</exception>
    public async Task RequireAsync(CancellationToken cancellationToken)
    {
        if (await LookAsync(_address, cancellationToken) != (0, _before)) throw Disturbed(_address);
    }

    private static ToolException Disturbed(PostgreSqlAddress address) => ToolException.Unusable(
        $"A host has accepted something in {address.Name} while it was read, and nothing of it was moved. Stop the hosts, and try again.");

    // Whatever is accepted counts at its sender, and whatever is delivered at its recipient.
    private static async Task<(long Waiting, string Counts)> LookAsync(PostgreSqlAddress address, CancellationToken cancellationToken)
    {
        await using var connection = await PostgreSqlOpening.ConnectAsync(address, cancellationToken);
        var schema = PostgreSqlOpening.Quote(address.Schema);
        await using var waiting = new NpgsqlCommand($"SELECT count(*) FROM {schema}.to_device_intent", connection);
        var count = (long)(await waiting.ExecuteScalarAsync(cancellationToken))!;
        await using var counts = new NpgsqlCommand(
            $"SELECT count(*)::text, sum(last_send)::text, sum(last_sequence)::text, sum(removal)::text FROM {schema}.to_device_device", connection);
        await using var reader = await counts.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (count, string.Join(' ', Enumerable.Range(0, reader.FieldCount).Select(reader.GetValue)));
    }
}
