namespace Matrix.ToDevice;

/// <summary>Why messages were dropped: the tag <c>reason</c> of the metric, and a word of the log.</summary>
internal static class DropReason
{
    /// <summary>There was no room in the inbox.</summary>
    public const string Quota = "quota";

    /// <summary>They had waited for too long.</summary>
    public const string Expired = "expired";

    /// <summary>A request, and what cancelled it.</summary>
    public const string Cancelled = "cancelled";

    /// <summary>A request that is too old, or that was made again.</summary>
    public const string Stale = "stale";

    /// <summary>The host's <c>IMessagePolicy</c>.</summary>
    public const string Policy = "policy";

    /// <summary>Their sender, on another server, has sent too much to their recipient.</summary>
    public const string Rate = "rate";
}
