namespace Matrix.ToDevice;

/// <summary>The module's limits and times.</summary>
public sealed class SendToDeviceOptions
{
    /// <summary>
    /// The largest request body, in bytes, and the most that the messages of one send may have together, when <c>*</c> stands for many
    /// devices, and those for one appservice, with the type and the sender in each; more is answered 413 <c>M_TOO_LARGE</c>. Default:
    /// 13,107,200; at most 1 GiB (D8, D21).
    /// </summary>
    public int MaxBodyBytes { get; set; } = 13_107_200;

    /// <summary>
    /// The largest content of one message, in bytes of canonical JSON; a larger one is answered 413 <c>M_TOO_LARGE</c>,
    /// and nothing of its request is delivered. Default: 65,536 (D8).
    /// </summary>
    public int MaxContentBytes { get; set; } = 65_536;

    /// <summary>
    /// How deep objects and arrays may nest in the content of one message, itself included; deeper is answered 400
    /// <c>M_BAD_JSON</c>. Default: 120, which with its envelope stays below the 128 levels that some clients can read (D8).
    /// </summary>
    public int MaxContentDepth { get; set; } = 120;

    /// <summary>
    /// How many users one send may name; one that names more is answered 400 <c>M_BAD_JSON</c>, and nothing of it is delivered. An
    /// EDU from another server that names more is dropped. Default: 10,000, where clients name 250 at most (D21).
    /// </summary>
    public int MaxUsers { get; set; } = 10_000;

    /// <summary>
    /// How many devices one send may name and how many it may reach, those of all users together: <c>*</c> is one of the first, and all
    /// that it stands for of the second. More are answered as with <see cref="MaxUsers"/>. Default: 20,000 (D21).
    /// </summary>
    public int MaxDevices { get; set; } = 20_000;

    /// <summary>
    /// How many other servers the users of one send may be of; more are answered as with <see cref="MaxUsers"/>. Each has to be sent to
    /// until it has taken its part. Default: 500 (D21).
    /// </summary>
    public int MaxServers { get; set; } = 500;

    /// <summary>
    /// The largest EDU that is made for another server, in bytes of canonical JSON; a content that fits into none is answered 413
    /// <c>M_TOO_LARGE</c>. Default: 65,536, which is what MSC4514 makes the rule; at least 1,024 (R29, R90, D16).
    /// </summary>
    public int MaxEduBytes { get; set; } = 65_536;

    /// <summary>
    /// The largest <c>m.direct_to_device</c> EDU that is taken from another server, in bytes of canonical JSON; a larger one is dropped
    /// with all its messages and counted. Null, the default: any that your endpoint reads, since servers send larger ones to this
    /// day. 65,536 is what MSC4514 makes the rule (R90).
    /// </summary>
    public int? MaxInboundEduBytes { get; set; }

    /// <summary>How long the record of a transaction is kept after its last use. Default: 24 hours (D5).</summary>
    public TimeSpan TransactionRetention { get; set; } = TimeSpan.FromHours(24);

    /// <summary>
    /// How long the <c>message_id</c> of an EDU from another server is kept after its last use: a repetition that comes later
    /// is delivered again. Default: 7 days (D5).
    /// </summary>
    public TimeSpan InboundRetention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>
    /// How often expired transaction records and messages are looked for, by one of the hosts that share a store. Default: 10 minutes (D5).
    /// </summary>
    public TimeSpan PurgeInterval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How many messages a sync response holds at most, unless the call says otherwise. Default: 100 (R53, D13).</summary>
    public int SyncLimit { get; set; } = 100;

    /// <summary>
    /// How many bytes the contents, event types and senders in a sync response have at most, in UTF-8, unless its first message
    /// alone has more. What does not fit comes with the next sync, at once. Default: 1,048,576; at most 256 MiB (D19).
    /// </summary>
    public int SyncMaxBytes { get; set; } = 1 << 20;

    /// <summary>The longest time that a sync waits, whatever its caller asks for. Default: 5 minutes.</summary>
    public TimeSpan MaxSyncTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How often a waiting sync looks into the store by itself: the bound on the delay of a message whose wake-up was
    /// lost. Six times less often, up to a minute, while <see cref="IDeviceInbox.SignalsEveryCommit"/> (D25); then an inbox
    /// that was found empty is not read for as long either. Default: 10 seconds (D13).
    /// </summary>
    public TimeSpan SyncPollInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The <c>Retry-After</c> of a 503, when the store cannot be reached. Whole seconds. Default: 2 seconds (D3).</summary>
    public TimeSpan RetryAfter { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How much each sender, and each other server, may send. Default: as much as they like.</summary>
    public RateLimitOptions RateLimits { get; } = new();

    /// <summary>How much may wait for a device. Default: as much as comes.</summary>
    public QuotaOptions Quota { get; } = new();

    /// <summary>
    /// How long after its send a message is dropped that its device has not got by then: it is not handed out any more, and deleted. It needs
    /// a store that is an <see cref="IStoreUpkeep"/>. Null, the default: never.
    /// </summary>
    public TimeSpan? MessageExpiry { get; set; }

    /// <summary>
    /// Whether requests that their recipient need not see any more are dropped when they would be handed out (MSC3944): key and secret
    /// requests that are cancelled, key requests that were made again, and verification requests that are cancelled or older than ten minutes.
    /// Default: false (R130).
    /// </summary>
    public bool DropStaleRequests { get; set; }

    /// <summary>
    /// How often what waits in the store is measured, for the metrics of inboxes and outbox, while somebody listens to them and the store is
    /// an <see cref="IStoreUpkeep"/>. Null: never. Default: 1 minute.
    /// </summary>
    public TimeSpan? StatisticsInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How long the health check waits for the store, which is unhealthy then. Default: 10 seconds.</summary>
    public TimeSpan HealthCheckTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// After how long an EDU that waits for a destination that has not failed makes the health check say that the outbox is stalled, where
    /// this host sends to other servers. Default: 5 minutes (D22).
    /// </summary>
    public TimeSpan OutboxStalledAfter { get; set; } = TimeSpan.FromMinutes(5);
}
