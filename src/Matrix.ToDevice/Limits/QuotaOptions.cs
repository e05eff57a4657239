namespace Matrix.ToDevice;

/// <summary>
/// How much may wait for a device: <see cref="SendToDeviceOptions.Quota"/>. It is measured once for each send, and needs a store that is an
/// <see cref="IStoreUpkeep"/>. By default, as much as comes.
/// </summary>
/// <remarks>
/// The bound is a soft one: sends that are under way at the same time do not see each other, so that an inbox can have a few messages more,
/// for a moment or until the next send. An inbox that is empty takes any message.
/// </remarks>
public sealed class QuotaOptions
{
    /// <summary>The most messages. At least 1.</summary>
    public long? MaxMessages { get; set; }

    /// <summary>The most bytes of contents. At least 1.</summary>
    public long? MaxBytes { get; set; }

    /// <summary>What happens to a message for which there is no room. Default: <see cref="QuotaPolicy.Refuse"/>.</summary>
    public QuotaPolicy Policy { get; set; } = QuotaPolicy.Refuse;

    /// <summary>For <see cref="QuotaPolicy.DropOld"/>: how old a message has to be that may be dropped.</summary>
    public TimeSpan? MaxAge { get; set; }

    internal bool IsSet => MaxMessages is not null || MaxBytes is not null;
}

/// <summary>What happens when a message does not fit into an inbox.</summary>
public enum QuotaPolicy
{
    /// <summary>
    /// The whole send is refused with 429 <c>M_LIMIT_EXCEEDED</c>: one device that never syncs stops everybody who sends to it, together
    /// with all others to whom they send. Nothing that was accepted is lost. In an EDU of another server, the message is left out.
    /// </summary>
    Refuse,

    /// <summary>The oldest messages make room: nobody is stopped, and who sends enough pushes out what others have sent.</summary>
    DropOldest,

    /// <summary>
    /// Messages that are older than <see cref="QuotaOptions.MaxAge"/> make room. Where that is not enough, as <see cref="Refuse"/>.
    /// </summary>
    DropOld,
}
