namespace Matrix.ToDevice;

/// <summary>How the sending of a transaction ended.</summary>
public readonly record struct FederationSendResult
{
    private FederationSendResult(FederationSendOutcome outcome, string reason, TimeSpan? retryAfter = null) =>
        (Outcome, Reason, RetryAfter) = (outcome, reason, retryAfter);

    /// <summary>The destination answered 200: it has the EDUs (R85).</summary>
    public static FederationSendResult Received { get; } = new(FederationSendOutcome.Received, "");

    /// <summary>Which of them it is; <see cref="FederationSendOutcome.Failed"/> for the default value.</summary>
    public FederationSendOutcome Outcome { get; }

    /// <summary>What happened, for the log.</summary>
    public string Reason => field ?? "";

    /// <summary>How long the destination asked to be left alone.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <summary>
    /// It is this very transaction that cannot be sent, or that the destination will not take: a status 413 (R90) or 400, or
    /// the transport cannot make a request of it. Its EDUs are sent in smaller ones; an EDU that is refused by itself is given up
    /// when the destination takes one behind it and then refuses this one again.
    /// </summary>
    /// <param name="reason">What happened, for the log.</param>
    public static FederationSendResult Refused(string reason) => new(FederationSendOutcome.Refused, reason);

    /// <summary>
    /// The destination does not take the signature, or lets this server in nowhere: a status 401 or 403. Its keys may be out of date, or
    /// one EDU is encoded in two ways by the two servers. The transaction is sent again as it is; when it goes on so, it counts as
    /// refused, and the EDU that is alone in it has to be denied several times once the destination has taken another.
    /// </summary>
    /// <param name="reason">What happened, for the log.</param>
    /// <param name="retryAfter">How long the destination asked to be left alone (<c>Retry-After</c>), if it did.</param>
    public static FederationSendResult Denied(string reason, TimeSpan? retryAfter = null) =>
        new(FederationSendOutcome.Denied, reason, retryAfter);

    /// <summary>Anything else: no connection, no answer, any other status. The transaction is sent again later, as it is.</summary>
    /// <param name="reason">What happened, for the log.</param>
    /// <param name="retryAfter">How long the destination asked to be left alone (<c>Retry-After</c>), if it did.</param>
    public static FederationSendResult Failed(string reason, TimeSpan? retryAfter = null) =>
        new(FederationSendOutcome.Failed, reason, retryAfter);

    /// <summary>What an HTTP status means: 200 is received, 400 and 413 are refused, 401 and 403 denied, anything else is failed.</summary>
    /// <param name="statusCode">The status of the answer.</param>
    /// <param name="retryAfter">The <c>Retry-After</c> of the answer, if it had one.</param>
    public static FederationSendResult Of(int statusCode, TimeSpan? retryAfter = null) => statusCode switch
    {
        200 => Received,
        400 or 413 => Refused($"The answer was {statusCode}."),
        401 or 403 => Denied($"The answer was {statusCode}.", retryAfter),
        _ => Failed($"The answer was {statusCode}.", retryAfter),
    };
}

/// <summary>The ways in which the sending of a transaction ends.</summary>
public enum FederationSendOutcome
{
    /// <summary>Nobody knows, or the destination cannot at the moment.</summary>
    Failed,

    /// <summary>The destination has the EDUs.</summary>
    Received,

    /// <summary>This transaction is not taken, now or later.</summary>
    Refused,

    /// <summary>The destination does not believe whom this transaction is from, or does not want to hear of it.</summary>
    Denied,
}
