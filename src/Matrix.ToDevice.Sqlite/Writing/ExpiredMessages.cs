namespace Matrix.ToDevice;

/// <summary>Finds messages that have waited for too long. They lie in the order of their commits: those are the first ones.</summary>
internal sealed class ExpiredMessages
{
    // Some milliseconds: whoever writes waits for them.
    private const int MaxRows = 2000;

    private readonly Statement _oldest;
    private readonly Dictionary<long, (DeviceAddress Device, long UpTo)> _found = [];

    public ExpiredMessages(PreparedStatements statements) => _oldest = statements.Prepare("""
        SELECT m.device, m.sequence, m.committed_at, d.user_id, d.device_id, m.id
        FROM to_device_message m CROSS JOIN to_device_device d ON d.id = m.device LEFT JOIN to_device_acknowledged a ON a.device = m.device
        WHERE m.id > ?1 AND m.sequence > coalesce(a.up_to, 0) ORDER BY m.id
        """);

    /// <summary>Up to where inboxes have expired.</summary>
    /// <param name="before">What was committed before, in Unix milliseconds.</param>
    /// <param name="now">
    /// What was committed later than now got a wrong time, and the clock was set back since: such a message keeps its inbox, but not all
    /// the others.
    /// </param>
    /// <param name="atMost">The most messages.</param>
    /// <param name="after">The row behind which to begin; then the last one that was looked at, or null when no others are due.</param>
    /// <param name="kept">The devices that such a message keeps, of the rows before and of these.</param>
    public IReadOnlyCollection<(DeviceAddress Device, long UpTo)> Find(long before, long now, int atMost, ref long? after, HashSet<long> kept)
    {
        _found.Clear();
        try
        {
            _oldest.Bind(after ?? 0);
            for (var (rows, found) = (0, 0); rows < MaxRows && found < atMost; rows++)
            {
                after = null;
                if (!_oldest.Step()) break;
                var (device, committedAt) = (_oldest.Int64(0), _oldest.Int64(2));
                if (committedAt >= before && committedAt <= now) break;
                after = _oldest.Int64(5);
                if (committedAt >= before) kept.Add(device);
                if (kept.Contains(device)) continue;

                var address = _found.TryGetValue(device, out var known) ? known.Device : new DeviceAddress(_oldest.Text(3), _oldest.Text(4));
                _found[device] = (address, _oldest.Int64(1));
                found++;
            }

            return _found.Values;
        }
        finally
        {
            _oldest.Reset();
        }
    }
}
