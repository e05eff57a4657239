namespace Matrix.ToDevice;

/// <summary>What becomes of messages for users of other servers.</summary>
internal enum RemoteUsers
{
    /// <summary>They become EDUs in the outbox (R27).</summary>
    GetEdus,

    /// <summary>They are dropped, and that is logged: the store has no outbox.</summary>
    AreUnreachable,

    /// <summary>They are dropped: an EDU from another server is for users of this one (R87, D15).</summary>
    AreIgnored,
}
