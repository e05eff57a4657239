namespace Matrix.ToDevice;

/// <summary>Limits and times of the sending to other servers.</summary>
public sealed class FederationSenderOptions
{
    /// <summary>The most EDUs in a transaction. Default: 100, which is also the most that other servers take (R83).</summary>
    public int MaxEdus { get; set; } = 100;

    /// <summary>
    /// The most bytes of EDUs in a transaction that holds more than one. Default: 4 MiB; a transaction that is refused as too
    /// large (413) is split (R90).
    /// </summary>
    public int MaxTransactionBytes { get; set; } = 4 * 1024 * 1024;

    /// <summary>How many destinations this host sends to at once, one transaction each. Default: 128, at least 2.</summary>
    public int MaxDestinations { get; set; } = 128;

    /// <summary>
    /// How many of these may be destinations that have failed the last time, or are slow: mail for the others does not wait behind
    /// them. Null, the default: half of <see cref="MaxDestinations"/>; it has to be less than that (D22).
    /// </summary>
    public int? MaxFailingDestinations { get; set; }

    internal int PlacesForFailing => MaxFailingDestinations ?? (MaxDestinations / 2);

    /// <summary>How long a destination has for its answer. Default: 60 seconds.</summary>
    public TimeSpan SendTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// After how long without an answer a destination counts as one that fails, until it answers 200. If there are
    /// <see cref="MaxFailingDestinations"/> already, its request has failed then, and is made again when one of them is done.
    /// Default: 5 seconds (D22).
    /// </summary>
    public TimeSpan SlowAfter { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The pause after the first failure; it doubles with each further one, give or take a quarter. Default: 1 second (D16).</summary>
    public TimeSpan MinPause { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest pause after a failure, so about how late messages come after a destination is back. Default: 5 minutes (D16).</summary>
    public TimeSpan MaxPause { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How long a destination stays with a host that gives no sign of life: another host takes over after it. Default: 10 seconds.
    /// </summary>
    public TimeSpan LeaseDuration { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How often the outbox is looked at without a wake-up: for what other hosts have left, and for destinations whose pause is
    /// over. Default: 2 seconds.
    /// </summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long after its send an EDU is given up if its destination has not taken it; null, the default: never. The messages in
    /// it are lost then, and a metric counts them.
    /// </summary>
    public TimeSpan? Expiry { get; set; }

    /// <summary>
    /// After how long an EDU for a destination that does not take anything is given up, when one more try of its transaction has failed,
    /// the seventeenth in a row at least; null: never. A destination that comes back after a longer time gets all that waits. Counted
    /// as with <see cref="Expiry"/>.
    /// Default: 30 days (D21).
    /// </summary>
    public TimeSpan? UnreachableExpiry { get; set; } = TimeSpan.FromDays(30);
}
