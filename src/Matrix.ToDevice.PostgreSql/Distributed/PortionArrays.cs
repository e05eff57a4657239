using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>Portions for one bucket as parameters of the functions that put them there: an array for each column.</summary>
internal sealed class PortionArrays
{
    private readonly List<string> _userIds = [], _deviceIds = [], _senders = [], _eventTypes = [], _messageIds = [];
    private readonly List<int> _counts = [], _kinds = [], _eduDestinations = [];
    private readonly List<long> _sendIds = [], _known = [];
    private readonly List<DateTime> _moments = [], _usedAt = [];
    private readonly List<ReadOnlyMemory<byte>> _contents = [], _eduContents = [];
    private readonly Places<string> _destinations = new(string.CompareOrdinal);

    /// <summary>What belongs into the bucket of the device that sends it.</summary>
    /// <param name="portion">The portion.</param>
    /// <param name="sender">The device, which is locked with the recipients, and gets nothing.</param>
    public PortionArrays(Portion portion, DeviceAddress sender)
        : this([(portion, default)], sender)
    {
    }

    /// <param name="portions">The portions, each with the time when it was accepted: those of a sending device in their order.</param>
    public PortionArrays(IReadOnlyList<(Portion Portion, DateTime AcceptedAt)> portions)
        : this(portions, null)
    {
    }

    private PortionArrays(IReadOnlyList<(Portion Portion, DateTime AcceptedAt)> portions, DeviceAddress? sender)
    {
        var messages = portions.Index()
            .SelectMany(one => one.Item.Portion.Messages.Select(message => (
                Device: new DeviceAddress(PostgreSqlText.Key(message.Recipient.UserId), PostgreSqlText.Key(message.Recipient.DeviceId)), one.Index, message)))
            .GroupBy(message => (message.Device, message.Index), message => message.message).ToDictionary(device => device.Key, device => device.ToList());
        if (sender is { } own) messages.TryAdd((own, 0), []);
        foreach (var ((device, index), theirs) in messages.OrderBy(device => device.Key.Device, Comparer<DeviceAddress>.Create(CommitArrays.Compare)).ThenBy(device => device.Key.Index))
        {
            _userIds.Add(device.UserId);
            _deviceIds.Add(device.DeviceId);
            _counts.Add(theirs.Count);
            _known.Add(portions[index].Portion.Known);
            _moments.Add(portions[index].AcceptedAt);
            foreach (var message in theirs) Add(message);
        }

        foreach (var (portion, _) in portions)
        {
            foreach (var edu in portion.Edus)
            {
                _eduDestinations.Add(_destinations.Lock(edu.Destination));
                _messageIds.Add(edu.MessageId);
                _eduContents.Add(edu.Content);
                _usedAt.Add(portion.CommittedAt.UtcDateTime);
            }
        }

        _destinations.Sort(_eduDestinations);
    }

    /// <summary>The devices, sorted, and how many messages each gets.</summary>
    public IEnumerable<NpgsqlParameter> Devices => [Of(NpgsqlDbType.Text, _userIds), Of(NpgsqlDbType.Text, _deviceIds), Of(NpgsqlDbType.Integer, _counts)];

    /// <summary>For each of the devices, which removals its send knows of, and when that was accepted.</summary>
    public IEnumerable<NpgsqlParameter> Sends => [Of(NpgsqlDbType.Bigint, _known), Of(NpgsqlDbType.TimestampTz, _moments)];

    /// <summary>The messages, device by device.</summary>
    public IEnumerable<NpgsqlParameter> Messages =>
    [
        Of(NpgsqlDbType.Integer, _kinds), Of(NpgsqlDbType.Bigint, _sendIds), Of(NpgsqlDbType.Text, _senders), Of(NpgsqlDbType.Text, _eventTypes),
        Of(NpgsqlDbType.Bytea, _contents),
    ];

    /// <summary>The EDUs and their destinations.</summary>
    public IEnumerable<NpgsqlParameter> Edus =>
    [
        Of(NpgsqlDbType.Text, _destinations.Sorted), Of(NpgsqlDbType.Bigint, _destinations.Counts), Of(NpgsqlDbType.Integer, _eduDestinations),
        Of(NpgsqlDbType.Integer, _destinations.Later), Of(NpgsqlDbType.Text, _messageIds), Of(NpgsqlDbType.Bytea, _eduContents),
    ];

    /// <summary>When the EDUs were committed.</summary>
    public NpgsqlParameter UsedAt => Of(NpgsqlDbType.TimestampTz, _usedAt);

    public static NpgsqlParameter Of<T>(NpgsqlDbType type, List<T> values) =>
        new NpgsqlParameter<List<T>> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | type };

    private void Add(in ToDeviceMessage message)
    {
        var (sender, eventType) = (PostgreSqlText.Escape(message.Sender), PostgreSqlText.Escape(message.EventType));
        if (_sendIds.Count == 0 || _sendIds[^1] != message.SendId || _senders[^1] != sender || _eventTypes[^1] != eventType)
        {
            _sendIds.Add(message.SendId);
            _senders.Add(sender);
            _eventTypes.Add(eventType);
        }

        _kinds.Add(_sendIds.Count);
        _contents.Add(message.Content);
    }
}
