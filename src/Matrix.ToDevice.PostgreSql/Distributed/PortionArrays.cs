using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>Portions for buckets of one machine as parameters of the functions that put them there: an array for each column.</summary>
internal sealed class PortionArrays
{
    private readonly List<DeviceAddress> _devices;
    private readonly Dictionary<DeviceAddress, int> _places;
    private readonly List<string> _senders = [], _eventTypes = [], _messageIds = [];
    private readonly List<int> _portions = [], _to = [], _counts = [], _kinds = [], _eduDestinations = [];
    private readonly List<long> _sendIds = [], _known = [];
    private readonly List<DateTime> _moments = [], _usedAt = [];
    private readonly List<ReadOnlyMemory<byte>> _contents = [], _eduContents = [];
    private readonly Places<string> _destinations = new(string.CompareOrdinal);

    /// <param name="portions">The portions, each with the time when it was accepted: those of a sending device in their order.</param>
    /// <param name="others">Devices that are locked with the recipients, and get nothing.</param>
    public PortionArrays(IReadOnlyList<(Portion Portion, DateTime AcceptedAt)> portions, IEnumerable<DeviceAddress> others)
    {
        var messages = portions.Index()
            .SelectMany(one => one.Item.Portion.Messages.Select(message => (
                Device: new DeviceAddress(PostgreSqlText.Key(message.Recipient.UserId), PostgreSqlText.Key(message.Recipient.DeviceId)), one.Index, message)))
            .GroupBy(message => (message.Device, message.Index), message => message.message).ToList();
        _devices = [.. messages.Select(device => device.Key.Device).Concat(others).Distinct()];
        _devices.Sort(CommitArrays.Compare);
        _places = _devices.Index().ToDictionary(device => device.Item, device => device.Index + 1);
        foreach (var theirs in messages.OrderBy(device => _places[device.Key.Device]).ThenBy(device => device.Key.Index))
        {
            var (portion, acceptedAt) = portions[theirs.Key.Index];
            _portions.Add(theirs.Key.Index + 1);
            _to.Add(_places[theirs.Key.Device]);
            _known.Add(portion.Known);
            _moments.Add(acceptedAt);
            var before = _contents.Count;
            foreach (var message in theirs) Add(message);
            _counts.Add(_contents.Count - before);
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

    /// <summary>The devices, each once, in the order in which all lock them.</summary>
    public IReadOnlyList<DeviceAddress> Locked => _devices;

    /// <summary>The place of a device among them, from 1.</summary>
    public int PlaceOf(DeviceAddress device) => _places[device];

    /// <summary>The devices, with their buckets.</summary>
    public IEnumerable<NpgsqlParameter> Devices =>
    [
        Of(NpgsqlDbType.Integer, _devices.ConvertAll(device => Buckets.Of(device.UserId))),
        Of(NpgsqlDbType.Text, _devices.ConvertAll(device => device.UserId)), Of(NpgsqlDbType.Text, _devices.ConvertAll(device => device.DeviceId)),
    ];

    /// <summary>For each device and each portion with something for it, the place of the portion, from 1.</summary>
    public NpgsqlParameter Portions => Of(NpgsqlDbType.Integer, _portions);

    /// <summary>For each of these, the place of the device, how many messages it gets, and which removals the send knows of.</summary>
    public IEnumerable<NpgsqlParameter> Parts => [Of(NpgsqlDbType.Integer, _to), Of(NpgsqlDbType.Integer, _counts), Of(NpgsqlDbType.Bigint, _known)];

    /// <summary>For each of these, when the send was accepted.</summary>
    public NpgsqlParameter Moments => Of(NpgsqlDbType.TimestampTz, _moments);

    /// <summary>The messages, part by part.</summary>
    public IEnumerable<NpgsqlParameter> Messages =>
    [
        Of(NpgsqlDbType.Integer, _kinds), Of(NpgsqlDbType.Bigint, _sendIds), Of(NpgsqlDbType.Text, _senders), Of(NpgsqlDbType.Text, _eventTypes),
        Of(NpgsqlDbType.Bytea, _contents),
    ];

    /// <summary>The EDUs and their destinations.</summary>
    public IEnumerable<NpgsqlParameter> Edus =>
    [
        Of(NpgsqlDbType.Integer, _destinations.Sorted.ConvertAll(Buckets.OfDestination)), Of(NpgsqlDbType.Text, _destinations.Sorted),
        Of(NpgsqlDbType.Bigint, _destinations.Counts), Of(NpgsqlDbType.Integer, _eduDestinations), Of(NpgsqlDbType.Integer, _destinations.Later),
        Of(NpgsqlDbType.Text, _messageIds), Of(NpgsqlDbType.Bytea, _eduContents), Of(NpgsqlDbType.TimestampTz, _usedAt),
    ];

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
