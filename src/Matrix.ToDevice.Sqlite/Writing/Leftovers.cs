namespace Matrix.ToDevice;

/// <summary>
/// Rows that nobody can see any more: what a device has acknowledged, and what a removed one had. They are deleted a limited number at a
/// time, between what others write.
/// </summary>
internal sealed class Leftovers
{
    private readonly TransactionRecords _records;
    private readonly Statement _acknowledge, _findAcknowledged, _deleteMessage, _setLastSequence, _deleteAcknowledged;
    private readonly Statement _addRemoved, _findRemoved, _deleteMessages, _deleteRemoved;
    private readonly List<long> _messages = [], _finished = [];

    public Leftovers(PreparedStatements statements, TransactionRecords records)
    {
        _records = records;
        _acknowledge = statements.Prepare("""
            INSERT INTO to_device_acknowledged (device, up_to) VALUES (?1, ?2) ON CONFLICT (device) DO UPDATE SET up_to = excluded.up_to
            """);
        _findAcknowledged = statements.Prepare("""
            SELECT a.device, m.id FROM to_device_acknowledged a LEFT JOIN to_device_message m ON m.device = a.device AND m.sequence <= a.up_to
            ORDER BY a.device, m.sequence LIMIT ?1
            """);
        _deleteMessage = statements.Prepare("DELETE FROM to_device_message WHERE id = ?1");
        _setLastSequence = statements.Prepare("""
            UPDATE to_device_device SET last_sequence = max(last_sequence, (SELECT up_to FROM to_device_acknowledged WHERE device = ?1))
            WHERE id = ?1
            """);
        _deleteAcknowledged = statements.Prepare("DELETE FROM to_device_acknowledged WHERE device = ?1");
        _addRemoved = statements.Prepare("INSERT INTO to_device_removed (device) VALUES (?1)");
        _findRemoved = statements.Prepare("SELECT device FROM to_device_removed LIMIT 1");
        _deleteMessages = statements.Prepare("""
            DELETE FROM to_device_message WHERE id IN (SELECT id FROM to_device_message WHERE device = ?1 LIMIT ?2)
            """);
        _deleteRemoved = statements.Prepare("DELETE FROM to_device_removed WHERE device = ?1");
    }

    /// <summary>Nobody is shown the messages up to this one again.</summary>
    public void Acknowledge(long device, long upTo) => _acknowledge.Bind(device).Bind(upTo).Execute();

    /// <summary>Everything of this device is left over.</summary>
    public void Remove(long device)
    {
        _deleteAcknowledged.Bind(device).Execute();
        _addRemoved.Bind(device).Execute();
    }

    /// <summary>Deletes some rows; false when no more are known.</summary>
    public bool Delete(int atMost) => DeleteOfRemoved(atMost) || DeleteAcknowledged(atMost);

    private bool DeleteOfRemoved(int atMost)
    {
        var found = _findRemoved.Step();
        var device = found ? _findRemoved.Int64(0) : 0;
        _findRemoved.Reset();
        if (!found) return false;

        var messages = _deleteMessages.Bind(device).Bind(atMost).Execute();
        var records = _records.Delete(device, atMost);
        if (messages < atMost && records < atMost) _deleteRemoved.Bind(device).Execute();
        return true;
    }

    private bool DeleteAcknowledged(int atMost)
    {
        var rows = FindAcknowledged(atMost);
        // In the order in which they lie there: messages of many devices came together, and share the pages that this changes.
        _messages.Sort();
        foreach (var message in _messages) _deleteMessage.Bind(message).Execute();
        foreach (var device in _finished)
        {
            // The number is saved in the step that deletes the rows it could be told from.
            _setLastSequence.Bind(device).Execute();
            _deleteAcknowledged.Bind(device).Execute();
        }

        return rows == atMost;
    }

    private int FindAcknowledged(int atMost)
    {
        _messages.Clear();
        _finished.Clear();
        var (rows, last) = (0, 0L);
        for (_findAcknowledged.Bind(atMost); _findAcknowledged.Step(); rows++)
        {
            var device = _findAcknowledged.Int64(0);
            if (rows > 0 && device != last) _finished.Add(last);
            last = device;
            // No message, no ID: the last one went with the portion before.
            if (_findAcknowledged.Int64(1) is not 0 and var message) _messages.Add(message);
        }

        _findAcknowledged.Reset();
        if (rows > 0 && rows < atMost) _finished.Add(last);
        return rows;
    }
}
