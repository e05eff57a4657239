namespace Matrix.ToDevice;

/// <summary>What became of an <c>m.direct_to_device</c> EDU (D15).</summary>
public enum ReceivedEdu
{
    /// <summary>Those of its recipients that are devices of this server have their messages.</summary>
    Delivered,

    /// <summary>It had been delivered before: the origin did not get the answer then.</summary>
    Duplicate,

    /// <summary>It was dropped: its sender is not a user of the origin (R86).</summary>
    SenderNotOfOrigin,

    /// <summary>
    /// It was dropped: its content is not of the form that the specification gives (R80, R82), or all of its messages are too large or
    /// nest too deep (D8).
    /// </summary>
    Malformed,

    /// <summary>It was dropped: the host's <see cref="IMessagePolicy"/> has rejected it.</summary>
    Refused,
}

/// <summary>What became of the to-device EDUs of a transaction.</summary>
/// <param name="Delivered">How many were delivered.</param>
/// <param name="Duplicates">How many had been delivered before.</param>
/// <param name="Dropped">How many were dropped, because they were malformed, their sender was not a user of the origin, or the host's policy has rejected them.</param>
public readonly record struct ReceivedTransaction(int Delivered, int Duplicates, int Dropped)
{
    internal ReceivedTransaction With(ReceivedEdu edu) => edu switch
    {
        ReceivedEdu.Delivered => this with { Delivered = Delivered + 1 },
        ReceivedEdu.Duplicate => this with { Duplicates = Duplicates + 1 },
        _ => this with { Dropped = Dropped + 1 },
    };
}
