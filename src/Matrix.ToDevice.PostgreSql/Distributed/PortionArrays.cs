using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>A <see cref="Portion"/> as parameters of the functions that put it into its bucket: an array for each column.</summary>
internal sealed class PortionArrays
{
    private readonly List<string> _userIds = [], _deviceIds = [], _senders = [], _eventTypes = [], _messageIds = [];
    private readonly List<int> _counts = [], _kinds = [], _eduDestinations = [];
    private readonly List<long> _sendIds = [];
    private readonly List<ReadOnlyMemory<byte>> _contents = [], _eduContents = [];
    private readonly Places<string> _destinations = new(string.CompareOrdinal);

    /// <param name="portion">The portion.</param>
    /// <param name="sender">A device that is locked with the recipients, and gets nothing; none by default.</param>
    public PortionArrays(Portion portion, DeviceAddress? sender = null)
    {
        var messages = portion.Messages
            .Select(message => (Device: new DeviceAddress(PostgreSqlText.Key(message.Recipient.UserId), PostgreSqlText.Key(message.Recipient.DeviceId)), message))
            .GroupBy(message => message.Device, message => message.message).ToDictionary(device => device.Key, device => device.ToList());
        if (sender is { } own) messages.TryAdd(own, []);
        foreach (var (device, theirs) in messages.OrderBy(device => device.Key, Comparer<DeviceAddress>.Create(CommitArrays.Compare)))
        {
            _userIds.Add(device.UserId);
            _deviceIds.Add(device.DeviceId);
            _counts.Add(theirs.Count);
            foreach (var message in theirs) Add(message);
        }

        foreach (var edu in portion.Edus)
        {
            _eduDestinations.Add(_destinations.Lock(edu.Destination));
            _messageIds.Add(edu.MessageId);
            _eduContents.Add(edu.Content);
        }

        _destinations.Sort(_eduDestinations);
    }

    /// <summary>The devices, sorted, and how many messages each gets.</summary>
    public IEnumerable<NpgsqlParameter> Devices => [Of(NpgsqlDbType.Text, _userIds), Of(NpgsqlDbType.Text, _deviceIds), Of(NpgsqlDbType.Integer, _counts)];

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
