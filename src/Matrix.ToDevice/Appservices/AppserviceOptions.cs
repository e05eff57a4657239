namespace Matrix.ToDevice;

/// <summary>The appservices, and the limits and times of the sending to them.</summary>
public sealed class AppserviceOptions
{
    /// <summary>The appservices of this server, the same on all of its hosts. Their IDs are unique.</summary>
    public IList<Appservice> Appservices { get; } = [];

    /// <summary>
    /// The most bytes of messages in a transaction that holds more than one entry, and an entry has the messages of one send, about
    /// 64 KiB of them. A body has them under both names: twice as much. Default: 384 KiB, for proxies take 1 MB unless they are told
    /// otherwise, and a transaction that was tried is repeated as it was, whatever this says by then (R105).
    /// </summary>
    public int MaxTransactionBytes { get; set; } = 384 * 1024;

    /// <summary>How long an appservice has for its answer. Default: 60 seconds.</summary>
    public TimeSpan SendTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The pause after the first failure; it doubles with each further one, give or take a quarter. Default: 1 second.</summary>
    public TimeSpan MinPause { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest pause after a failure, so about how late messages come after an appservice is back. Default: 1 minute.</summary>
    public TimeSpan MaxPause { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How long an appservice stays with a host that gives no sign of life: another host takes over after it. Default: 10 seconds.</summary>
    public TimeSpan LeaseDuration { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How often the queues are looked at without a wake-up: for what other hosts have left, and for appservices whose pause is over.
    /// Default: 2 seconds.
    /// </summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long after its send a message is given up when its appservice has not been sent it; null, the default: never. What is in a
    /// transaction that was tried is not given up: the appservice may have it.
    /// </summary>
    public TimeSpan? Expiry { get; set; }
}
