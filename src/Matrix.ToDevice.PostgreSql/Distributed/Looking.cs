using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>Looks for removals in buckets of one machine.</summary>
internal sealed class Looking(PostgreSqlDatabase database, PostgreSqlStoreOptions options)
{
    private readonly string _look = Statement.Call(options, "to_device_look", 5);

    /// <summary>For each look the number of the last removal in its bucket, and behind it those of its devices; 0 where there was none.</summary>
    public async ValueTask<IReadOnlyList<long[]>> LookAsync(IReadOnlyList<Look> looks, CancellationToken cancellationToken)
    {
        var devices = looks.SelectMany(look => look.Devices.Select(device => (look.Bucket, device))).ToList();
        var numbers = await database.ScalarAsync<long[]>(
            _look,
            () =>
            [
                Statement.Of(looks[0].Bucket), Calls.Array(NpgsqlDbType.Integer, looks.Select(look => look.Bucket)),
                Calls.Array(NpgsqlDbType.Integer, devices.Select(one => one.Bucket)),
                Calls.Array(NpgsqlDbType.Text, devices.Select(one => PostgreSqlText.Key(one.device.UserId))),
                Calls.Array(NpgsqlDbType.Text, devices.Select(one => PostgreSqlText.Key(one.device.DeviceId))),
            ],
            cancellationToken);

        var results = new List<long[]>(looks.Count);
        var next = looks.Count;
        foreach (var look in looks)
        {
            results.Add([numbers[results.Count], .. numbers.AsSpan(next, look.Devices.Count)]);
            next += look.Devices.Count;
        }

        return results;
    }
}
