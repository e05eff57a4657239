namespace Matrix.ToDevice;

/// <summary>
/// How much may be sent: <see cref="SendToDeviceOptions.RateLimits"/>. What is refused is answered 429 <c>M_LIMIT_EXCEEDED</c> and uses up no
/// transaction (R13, D14). By default, nothing is limited.
/// </summary>
public sealed class RateLimitOptions
{
    /// <summary>Sends of each user of this server: a send is one, whatever it holds. Null: as many as they like.</summary>
    public RateLimit? Senders { get; set; }

    /// <summary>
    /// Sends from each user to each other one: a send is one for every user that it names, however many devices, and none for the sender's own.
    /// Nobody is stopped by what somebody else sends to a user. Messages of other servers' users beyond it are dropped. Null: as many as they like.
    /// </summary>
    public RateLimit? Recipients { get; set; }

    /// <summary>
    /// To-device EDUs of each other server. The server is to try again: all EDUs of its transaction, at most
    /// <see cref="InboundTransaction.MaxEdus"/>, pass at once or not at all, and <see cref="RateLimit.Burst"/> is at least that.
    /// Null: as many as they like.
    /// </summary>
    public RateLimit? Servers { get; set; }
}

/// <summary>A token bucket: how much may come at once, and how much in the long run.</summary>
public sealed class RateLimit
{
    /// <summary>How much may come at once. At least 1.</summary>
    public int Burst { get; set; }

    /// <summary>How much may come in a second, in the long run. More than 0, and at least one in 30 years: 1e-9.</summary>
    public double PerSecond { get; set; }
}
