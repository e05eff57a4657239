namespace Matrix.ToDevice;

// Not sealed: a host's lazy-loading proxies derive from every class of its model.

/// <summary>
/// A device that has sent or was sent something. Its row is what commits and removals lock, in the order of the keys.
/// </summary>
internal class DeviceRow
{
    /// <summary>See <see cref="StoredKey"/>.</summary>
    public byte[] Key { get; set; } = null!;

    /// <summary>The number of the newest message that ever was in its inbox: one that is emptied goes on counting.</summary>
    public long LastSequence { get; set; }

    /// <summary>The number of its last removal; 0: none, or it is forgotten.</summary>
    public long Removal { get; set; }

    /// <summary>When that was, in ticks; 0: see <see cref="Removal"/>.</summary>
    public long RemovedAt { get; set; }

    /// <summary>Something else in each transaction: to write it is to lock the row, in every database.</summary>
    public long LockedBy { get; set; }
}

/// <summary>A message in the inbox of a device.</summary>
internal class MessageRow
{
    public byte[] Device { get; set; } = null!;
    public long Sequence { get; set; }
    public long SendId { get; set; }

    /// <summary>How many bytes the three below have: a page is measured before it is read.</summary>
    public long Bytes { get; set; }

    // Texts as UTF-8: no collation, no character set and no NUL of any database matters.
    public byte[] Sender { get; set; } = null!;
    public byte[] EventType { get; set; } = null!;
    public byte[] Content { get; set; } = null!;

    /// <summary>When its send was committed, in ticks; 0: nobody knows.</summary>
    public long CommittedAt { get; set; }
}

/// <summary>The record of a send that was committed.</summary>
internal class TransactionRow
{
    /// <summary>The sender: with its device go its records.</summary>
    public byte[] Device { get; set; } = null!;

    /// <summary>The key's <see cref="TransactionKey.Fingerprint"/>.</summary>
    public byte[] Key { get; set; } = null!;

    /// <summary>Which attempt it was, for one that never got its answer.</summary>
    public long CommitId { get; set; }

    /// <summary>1: an EDU of another server. 0: a send.</summary>
    public int Kind { get; set; }

    /// <summary>In ticks.</summary>
    public long LastUsed { get; set; }
}

/// <summary>A destination for which EDUs wait, or that somebody has taken.</summary>
internal class DestinationRow
{
    /// <summary>See <see cref="StoredText.Destination"/>.</summary>
    public string Destination { get; set; } = null!;

    public long LastPosition { get; set; }

    /// <summary>Who has taken it: see <see cref="StoredKey"/>.</summary>
    public byte[]? Holder { get; set; }

    /// <summary>Until when nobody else may, by the database's clock; when that is over, since when it has been free. In ticks.</summary>
    public long TakenUntil { get; set; }

    /// <summary>The same by the clock of the host that wrote it: decides where a database counts whole seconds only.</summary>
    public long FreeSince { get; set; }

    /// <summary>Goes up with every change of who has taken it, and until when.</summary>
    public long Turn { get; set; }

    public long SendingUpTo { get; set; }
    public int Failures { get; set; }

    /// <inheritdoc cref="DeviceRow.LockedBy"/>
    public long LockedBy { get; set; }
}

/// <summary>An EDU that waits for its destination.</summary>
internal class EduRow
{
    public string Destination { get; set; } = null!;
    public long Position { get; set; }
    public byte[] MessageId { get; set; } = null!;
    public byte[] Content { get; set; } = null!;

    /// <summary>In ticks.</summary>
    public long CommittedAt { get; set; }
}

/// <summary>A task that is due now and then.</summary>
internal class UpkeepRow
{
    /// <summary>See <see cref="StoredKey"/>.</summary>
    public byte[] Task { get; set; } = null!;

    /// <summary>When somebody took it last, by the database's clock. In ticks.</summary>
    public long TakenAt { get; set; }
}

/// <summary>The number of the last removal of a device. Removals become visible in the order of their numbers.</summary>
internal class CounterRow
{
    public const int Removals = 1;

    public int Id { get; set; }
    public long Value { get; set; }
}
