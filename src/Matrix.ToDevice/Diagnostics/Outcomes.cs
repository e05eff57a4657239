namespace Matrix.ToDevice;

/// <summary>How a send was answered.</summary>
internal enum SendOutcome
{
    /// <summary>200, and its messages were accepted.</summary>
    Committed,

    /// <summary>200, because an earlier request had the same transaction.</summary>
    Duplicate,

    /// <summary>4xx.</summary>
    Refused,

    /// <summary>503.</summary>
    Unavailable,

    /// <summary>Not at all: the client had gone.</summary>
    ClientGone,
}

/// <summary>Outcomes as metrics and traces have them, in their tag <c>outcome</c>.</summary>
internal static class Outcomes
{
    public static string Name(this SendOutcome outcome) => outcome switch
    {
        SendOutcome.Committed => "committed",
        SendOutcome.Duplicate => "duplicate",
        SendOutcome.Refused => "refused",
        SendOutcome.Unavailable => "unavailable",
        _ => "client_gone",
    };

    public static string Name(this ReceivedEdu outcome) => outcome switch
    {
        ReceivedEdu.Delivered => "delivered",
        ReceivedEdu.Duplicate => "duplicate",
        ReceivedEdu.SenderNotOfOrigin => "sender_not_of_origin",
        ReceivedEdu.Refused => "refused",
        _ => "malformed",
    };

    public static string Name(this FederationSendOutcome outcome) => outcome switch
    {
        FederationSendOutcome.Received => "received",
        FederationSendOutcome.Refused => "refused",
        FederationSendOutcome.Denied => "denied",
        _ => "failed",
    };
}

/// <summary>The calls of a store, as its errors are told apart.</summary>
internal static class StoreOperation
{
    public const string Begin = "begin", Append = "append", Commit = "commit", Purge = "purge",
        Read = "read", Acknowledge = "acknowledge", RemoveDevice = "remove_device", Measure = "measure",
        IsCommitted = "is_committed", Expire = "expire", Take = "take",
        OutboxAppend = "outbox_append", OutboxRead = "outbox_read", OutboxRemove = "outbox_remove", OutboxList = "outbox_list",
        OutboxAcquire = "outbox_acquire", OutboxRenew = "outbox_renew", OutboxRelease = "outbox_release";

    public static string[] All { get; } =
    [
        Begin, Append, Commit, Purge, Read, Acknowledge, RemoveDevice, Measure, IsCommitted, Expire, Take, OutboxAppend, OutboxRead, OutboxRemove, OutboxList, OutboxAcquire,
        OutboxRenew, OutboxRelease,
    ];
}
