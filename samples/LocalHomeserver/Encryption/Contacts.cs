using System.Collections.Concurrent;
using System.Globalization;

namespace LocalHomeserver;

/// <summary>
/// Who is told about whose devices. Elsewhere, users who share a room are; here there are no rooms, so it is those who have sent
/// somebody a message or got one, and those who have asked for somebody's keys and would go on with old ones.
/// </summary>
internal sealed class Contacts(IKeyDatabase database)
{
    private const int MaxRemembered = 100_000;

    // A statement has only so many parameters.
    private const int MaxRows = 1000;

    // Those that need not be written any more: a send to somebody whom the sender knows costs a look into memory.
    private readonly ConcurrentDictionary<(string UserId, string OtherId), bool> _remembered = [];

    /// <summary>A user is told about others from now on.</summary>
    public async ValueTask AddAsync(string userId, IEnumerable<string> otherIds, CancellationToken cancellationToken)
    {
        // In one order everywhere: two hosts that write the same contacts wait for each other, but not in a circle.
        var unknown = otherIds
            .Where(otherId => otherId != userId && !_remembered.ContainsKey((userId, otherId)))
            .Distinct().Order(StringComparer.Ordinal).ToList();
        if (unknown.Count == 0) return;

        // Some at a time: whoever else has something to write does not wait for all of them.
        foreach (var some in unknown.Chunk(MaxRows))
        {
            var rows = string.Join(", ", some.Select((_, i) => string.Create(CultureInfo.InvariantCulture, $"($1, ${i + 2})")));
            await database.InOneStepAsync(
                statements => statements.ExecuteAsync(
                    $"INSERT INTO local_homeserver.contact VALUES {rows} ON CONFLICT DO NOTHING", [userId, .. some]),
                cancellationToken);
        }

        if (_remembered.Count > MaxRemembered) _remembered.Clear();
        foreach (var otherId in unknown) _remembered[(userId, otherId)] = true;
    }

    /// <summary>Whom a user is told about.</summary>
    public ValueTask<List<string>> FindAsync(string userId, CancellationToken cancellationToken) => database.ReadAsync(
        statements => statements.QueryAsync(
            "SELECT other_id FROM local_homeserver.contact WHERE user_id = $1", row => row.Text(0), userId),
        cancellationToken);
}
