using Microsoft.Data.Sqlite;
using static Matrix.ToDevice.Tool.SqliteQueries;

namespace Matrix.ToDevice.Tool;

/// <summary>A SQLite store, read at one moment: nothing that a server beside it commits meanwhile is seen.</summary>
internal sealed class SqliteToolStore : IStore
{
    private const string Waiting = """
        FROM to_device_message m JOIN to_device_device d ON d.id = m.device LEFT JOIN to_device_acknowledged a ON a.device = m.device
        WHERE m.sequence > coalesce(a.up_to, 0)
        """;

    private readonly string _path;
    private readonly StoreLock? _lock;
    private readonly bool? _isInUse;
    private readonly SqliteConnection _connection;
    private readonly Undisturbed? _undisturbed;

    private SqliteToolStore(string path, StoreLock? taken, bool? isInUse, SqliteConnection connection, Undisturbed? undisturbed) =>
        (_path, _lock, _isInUse, _connection, _undisturbed) = (path, taken, isInUse, connection, undisturbed);

    /// <param name="path">The file.</param>
    /// <param name="alone">Whether servers are kept from it until this is disposed, and one that has it is a reason to refuse.</param>
    public static SqliteToolStore Open(string path, bool alone)
    {
        path = RealPath.Of(path);
        var isInUse = StoreLock.IsHeld(path);
        // First whether it is a store at all: a lock file is made only beside one.
        _ = alone ? SqliteOpening.FindVersion(path) : null;
        SqliteOpening.Read(path).Dispose();
        if (alone && isInUse == true) throw ToolException.Unusable(StoreLock.InUse(path));
        var taken = alone ? StoreLock.Take(path) : null;
        var undisturbed = new Undisturbed(path);
        SqliteConnection? connection = null;
        try
        {
            connection = SqliteOpening.Read(path, out var asItStands);
            Execute(connection, "BEGIN");
            // Whoever has the lock is not disturbed.
            return new SqliteToolStore(path, taken, isInUse, connection, asItStands && taken is null ? undisturbed : null);
        }
        catch
        {
            connection?.Dispose();
            taken?.Dispose();
            throw;
        }
    }

    public Task<Inspection> InspectAsync(CancellationToken cancellationToken) => ReadAsync(() =>
    {
        var messages = Rows(_connection, $"SELECT count(*), coalesce(sum(length(m.content)), 0), count(DISTINCT m.device), min(nullif(m.committed_at, 0)) {Waiting}")
            .Select(row => new MessageTotals(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), Time(row, 3))).First();
        var outbox = Rows(_connection, """
            SELECT count(*), coalesce(sum(length(content)), 0), count(DISTINCT destination), min(committed_at),
                (SELECT count(*) FROM to_device_lease l WHERE l.failures > 0 AND EXISTS (SELECT 1 FROM to_device_edu e WHERE e.destination = l.destination))
            FROM to_device_edu
            """).Select(row => new OutboxTotals(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(4), Time(row, 3))).First();
        var records = Rows(_connection, """
            SELECT count(*) FILTER (WHERE device >= 0), count(*) FILTER (WHERE device < 0), min(last_used)
            FROM (SELECT device, last_used FROM to_device_transaction UNION ALL SELECT device, last_used FROM to_device_recent_transaction)
            """).Select(row => new RecordTotals(row.GetInt64(0), row.GetInt64(1), Time(row, 2))).First();
        var free = Number(_connection, "PRAGMA freelist_count") * Number(_connection, "PRAGMA page_size");
        return new Inspection(
            _path, "sqlite", null, SqliteOpening.SchemaVersion, _isInUse, messages, null, outbox, records,
            [new SizeLine("file", SizeOf(_path)), new SizeLine("log", SizeOf(_path + "-wal")), new SizeLine("free in the file", free)]);
    });

    public Task<IReadOnlyList<InboxLine>> InboxesAsync(InboxQuery query, CancellationToken cancellationToken) => ListAsync(() =>
    {
        var order = query.Order switch { InboxOrder.Messages => "messages DESC", InboxOrder.Bytes => "bytes DESC", _ => "oldest IS NULL, oldest" };
        return Rows(_connection, $"""
            SELECT d.user_id, d.device_id, count(*) AS messages, sum(length(m.content)) AS bytes, min(nullif(m.committed_at, 0)) AS oldest
            {Waiting} AND (?1 IS NULL OR d.user_id = ?1) GROUP BY d.id ORDER BY {order}, d.user_id, d.device_id LIMIT ?2 OFFSET ?3
            """, query.UserId, query.Limit, query.Skip)
            .Select(row => new InboxLine(Text(row, 0), Text(row, 1), row.GetInt64(2), row.GetInt64(3), Time(row, 4)));
    });

    public Task<IReadOnlyList<DestinationLine>> DestinationsAsync(DestinationQuery query, CancellationToken cancellationToken) => ListAsync(() =>
    {
        var now = TimeProvider.System.GetUtcNow();
        return Rows(_connection, """
            SELECT e.destination, count(*), sum(length(e.content)), min(e.committed_at) AS oldest, coalesce(l.failures, 0) AS failures, l.taken_until, l.holder
            FROM to_device_edu e LEFT JOIN to_device_lease l ON l.destination = e.destination
            GROUP BY e.destination ORDER BY failures DESC, oldest, e.destination LIMIT ?1 OFFSET ?2
            """, query.Limit, query.Skip)
            .Select(row => new DestinationLine(
                Text(row, 0), row.GetInt64(1), row.GetInt64(2), Time(row, 3), row.GetInt64(4), Time(row, 5) is { } time && time > now ? time : null,
                row.IsDBNull(6) ? null : Text(row, 6)));
    });

    public Task<IReadOnlyList<MessageLine>> MessagesAsync(DeviceAddress device, bool withContents, int limit, CancellationToken cancellationToken) =>
        ListAsync(() => Rows(_connection, $"""
            SELECT m.sequence, m.send_id, m.sender, m.event_type, length(m.content), m.committed_at, CASE WHEN ?3 THEN m.content END
            {Waiting} AND d.user_id = ?1 AND d.device_id = ?2 ORDER BY m.sequence LIMIT ?4
            """, device.UserId, device.DeviceId, withContents, limit)
            .Select(row => new MessageLine(
                row.GetInt64(0), row.GetInt64(1), Text(row, 2), Text(row, 3), row.GetInt64(4), Time(row, 5),
                row.IsDBNull(6) ? null : System.Text.Encoding.UTF8.GetString(row.GetFieldValue<byte[]>(6)))));

    public Task<IReadOnlyList<DeviceAddress>> DevicesAsync(string userId, CancellationToken cancellationToken) =>
        ListAsync(() => Rows(
            _connection, "SELECT device_id FROM to_device_device WHERE user_id = ?1 ORDER BY device_id", userId)
            .Select(row => new DeviceAddress(userId, Text(row, 0))));

    public Task<InboxEnd> EndOfInboxAsync(DeviceAddress device, CancellationToken cancellationToken) => ReadAsync(() => Rows(_connection, $"""
        SELECT count(*), coalesce(sum(length(content)), 0), coalesce(max(sequence), 0), coalesce(send_id, 0)
        FROM (SELECT m.sequence, m.send_id, m.content {Waiting} AND d.user_id = ?1 AND d.device_id = ?2)
        """, device.UserId, device.DeviceId)
        .Select(row => new InboxEnd(row.GetInt64(0), row.GetInt64(1), new InboxPosition(row.GetInt64(2), row.GetInt64(3)))).First());

    public Task<DestinationEnd> EndOfDestinationAsync(string destination, CancellationToken cancellationToken) => ReadAsync(() => Rows(
        _connection, "SELECT count(*), coalesce(sum(length(content)), 0), coalesce(max(position), 0) FROM to_device_edu WHERE destination = ?1", destination)
        .Select(row => new DestinationEnd(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2))).First());

    public Task VerifyAsync(Findings findings, IProgress<long> progress, CancellationToken cancellationToken) => ReadAsync(() =>
    {
        new SqliteVerification(_connection, findings, progress, cancellationToken).Run();
        return true;
    });

    public async Task SendAsync(IMoveTarget target, IProgress<long> progress, CancellationToken cancellationToken)
    {
        try
        {
            await new SqliteSource(_connection, target, progress).SendAsync(cancellationToken);
        }
        finally
        {
            // Before anything of it can be seen.
            _undisturbed?.Require();
        }

        await target.CompleteAsync(cancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        _connection.Dispose();
        _lock?.Dispose();
        return default;
    }

    private Task<IReadOnlyList<T>> ListAsync<T>(Func<IEnumerable<T>> read) => ReadAsync<IReadOnlyList<T>>(() => [.. read()]);

    /// <summary>Reads, and tells whether what came out of it can be trusted: what looks like damage may be what a server has done meanwhile.</summary>
    private Task<T> ReadAsync<T>(Func<T> read)
    {
        try
        {
            return Task.FromResult(read());
        }
        finally
        {
            _undisturbed?.Require();
        }
    }

    private static long SizeOf(string path) => File.Exists(path) ? new FileInfo(path).Length : 0;
}
