using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>
/// A batch of sends as the parameters of <c>to_device_commit</c>: one array for each column, so that the batch is one
/// statement and one round trip. Text that messages share goes once, and the contents stay where they are. It is filled again
/// for each batch of a loop, so that a message costs no memory here.
/// </summary>
internal sealed class CommitArrays
{
    private readonly NpgsqlParameter<DateTime> _now = new() { NpgsqlDbType = NpgsqlDbType.TimestampTz };
    private readonly Places<DeviceAddress> _devices = new(Compare);
    private readonly Places<string> _destinations = new(string.CompareOrdinal);
    private readonly List<string> _lockUserIds = [], _lockDeviceIds = [], _kindSenders = [], _kindEventTypes = [], _eduMessageIds = [];
    private readonly List<int> _senderDevices = [], _messageKinds = [], _messageDevices = [], _messageStarts = [], _messageLengths = [], _eduDestinations = [];
    private readonly List<long> _senderCommitIds = [], _kindSendIds = [];
    private readonly List<Guid> _senderKeys = [];
    private readonly List<ReadOnlyMemory<byte>> _contents = [], _eduContents = [];
    private readonly NpgsqlParameter<Stream> _contentStream = new() { NpgsqlDbType = NpgsqlDbType.Bytea };

    public CommitArrays() => Parameters =
    [
        _now,
        Of(NpgsqlDbType.Text, _lockUserIds), Of(NpgsqlDbType.Text, _lockDeviceIds), Of(NpgsqlDbType.Bigint, _devices.Counts), Of(NpgsqlDbType.Bigint, _devices.Known),
        Of(NpgsqlDbType.Integer, _senderDevices), Of(NpgsqlDbType.Uuid, _senderKeys), Of(NpgsqlDbType.Bigint, _senderCommitIds),
        Of(NpgsqlDbType.Bigint, _kindSendIds), Of(NpgsqlDbType.Text, _kindSenders), Of(NpgsqlDbType.Text, _kindEventTypes),
        Of(NpgsqlDbType.Integer, _messageKinds), Of(NpgsqlDbType.Integer, _messageDevices), Of(NpgsqlDbType.Integer, _devices.Later),
        Of(NpgsqlDbType.Integer, _messageStarts), Of(NpgsqlDbType.Integer, _messageLengths),
        _contentStream,
        Of(NpgsqlDbType.Text, _destinations.Sorted), Of(NpgsqlDbType.Bigint, _destinations.Counts),
        Of(NpgsqlDbType.Integer, _eduDestinations), Of(NpgsqlDbType.Integer, _destinations.Later), Of(NpgsqlDbType.Text, _eduMessageIds), Of(NpgsqlDbType.Bytea, _eduContents),
    ];

    /// <summary>The parameters, in their order. They belong to the last batch.</summary>
    public IReadOnlyList<NpgsqlParameter> Parameters { get; }

    public void Fill(List<CommitItem> batch, DateTimeOffset now)
    {
        Clear();
        _now.TypedValue = now.UtcDateTime;
        foreach (var item in batch)
        {
            var transaction = item.Transaction;
            _senderDevices.Add(_devices.Lock(Sender(transaction.Key), transaction.KnownRemovals));
            _senderKeys.Add(transaction.Fingerprint);
            _senderCommitIds.Add(transaction.CommitId);
            foreach (var messages in transaction.Messages) Add(messages, transaction.KnownRemovals);
            foreach (var edus in transaction.Edus) Add(edus);
        }

        _devices.Sort(_messageDevices);
        _devices.ToSorted(_senderDevices);
        foreach (var device in _devices.Sorted)
        {
            _lockUserIds.Add(device.UserId);
            _lockDeviceIds.Add(device.DeviceId);
        }

        _destinations.Sort(_eduDestinations);
        _contentStream.TypedValue = new ContentStream(_contents);
    }

    /// <summary>Lets go of what the requests own.</summary>
    public void Clear()
    {
        _devices.Clear();
        _destinations.Clear();
        _contents.Clear();
        _eduContents.Clear();
        _senderKeys.Clear();
        foreach (var texts in (ReadOnlySpan<List<string>>)[_lockUserIds, _lockDeviceIds, _kindSenders, _kindEventTypes, _eduMessageIds]) texts.Clear();
        foreach (var numbers in (ReadOnlySpan<List<int>>)[_senderDevices, _messageKinds, _messageDevices, _messageStarts, _messageLengths, _eduDestinations])
            numbers.Clear();
        foreach (var numbers in (ReadOnlySpan<List<long>>)[_senderCommitIds, _kindSendIds]) numbers.Clear();
    }

    /// <summary>The sending device as it is locked; a requester without a device, and another server, have places of their own.</summary>
    public static DeviceAddress Sender(TransactionKey key) => new(
        PostgreSqlText.Key(key.UserId),
        key.Endpoint == TransactionKey.DirectToDevice ? PostgreSqlText.OtherServer
            : key.DeviceId is null ? PostgreSqlText.NoDevice
            : PostgreSqlText.Key(key.DeviceId));

    /// <summary>The devices that a send names: its own and its recipients, as they are locked.</summary>
    public static IEnumerable<DeviceAddress> Devices(PostgreSqlTransaction transaction) =>
        transaction.Messages.SelectMany(messages => messages).Select(Recipient).Prepend(Sender(transaction.Key));

    public static void Add<T>(NpgsqlParameterCollection parameters, NpgsqlDbType type, T[] values) =>
        parameters.Add(new NpgsqlParameter<T[]> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | type });

    private static NpgsqlParameter<List<T>> Of<T>(NpgsqlDbType type, List<T> values) =>
        new() { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | type };

    private static DeviceAddress Recipient(ToDeviceMessage message) =>
        new(PostgreSqlText.Key(message.Recipient.UserId), PostgreSqlText.Key(message.Recipient.DeviceId));

    private void Add(IReadOnlyList<ToDeviceMessage> messages, long known)
    {
        var (last, start) = (default(ToDeviceMessage), _contents.Count == 0 ? 1 : _messageStarts[^1] + _messageLengths[^1]);
        for (var i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            // They are the same for all messages of a send.
            if (i == 0 || message.SendId != last.SendId || message.Sender != last.Sender || message.EventType != last.EventType)
            {
                _kindSendIds.Add(message.SendId);
                _kindSenders.Add(PostgreSqlText.Escape(message.Sender));
                _kindEventTypes.Add(PostgreSqlText.Escape(message.EventType));
                last = message;
            }

            _messageKinds.Add(_kindSendIds.Count);
            _messageDevices.Add(_devices.Lock(Recipient(message), known));
            _messageStarts.Add(start);
            _messageLengths.Add(message.Content.Length);
            _contents.Add(message.Content);
            start += message.Content.Length;
        }
    }

    private void Add(IReadOnlyList<OutboundEdu> edus)
    {
        for (var i = 0; i < edus.Count; i++)
        {
            _eduDestinations.Add(_destinations.Lock(edus[i].Destination));
            _eduMessageIds.Add(edus[i].MessageId);
            _eduContents.Add(edus[i].Content);
        }
    }

    // Any order does, as long as all hosts have the same.
    public static int Compare(DeviceAddress one, DeviceAddress other)
    {
        var users = string.CompareOrdinal(one.UserId, other.UserId);
        return users != 0 ? users : string.CompareOrdinal(one.DeviceId, other.DeviceId);
    }
}
