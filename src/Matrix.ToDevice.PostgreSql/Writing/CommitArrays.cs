using System.Data;
using System.Runtime.InteropServices;
using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>
/// A batch of sends as the parameters of <c>to_device_commit</c>: one array for each column, so that the batch is one
/// statement and one round trip. The contents stay where they are.
/// </summary>
internal static class CommitArrays
{
    public static void Add(NpgsqlParameterCollection parameters, List<CommitItem> batch, DateTimeOffset now)
    {
        int messageCount = 0, eduCount = 0;
        foreach (var item in batch)
        {
            foreach (var messages in item.Transaction.Messages) messageCount += messages.Count;
            foreach (var edus in item.Transaction.Edus) eduCount += edus.Count;
        }

        parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = now.UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz });

        var locks = new Places<DeviceAddress>();
        var senders = new DeviceAddress[batch.Count];
        var keys = new Guid[batch.Count];
        var commitIds = new long[batch.Count];
        var messageDevice = new int[messageCount];
        var recipients = new DeviceAddress[messageCount];
        var sendIds = new long[messageCount];
        var senderNames = new string[messageCount];
        var eventTypes = new string[messageCount];
        var contents = new ReadOnlyMemory<byte>[messageCount];
        var next = 0;
        for (var n = 0; n < batch.Count; n++)
        {
            var transaction = batch[n].Transaction;
            senders[n] = Sender(transaction.Key);
            keys[n] = transaction.Fingerprint;
            commitIds[n] = transaction.CommitId;
            locks.Lock(senders[n], transaction.KnownRemovals);
            foreach (var messages in transaction.Messages)
            {
                for (var i = 0; i < messages.Count; i++, next++)
                {
                    var message = messages[i];
                    recipients[next] = Recipient(message);
                    messageDevice[next] = locks.Count(recipients[next], transaction.KnownRemovals);
                    sendIds[next] = message.SendId;
                    senderNames[next] = PostgreSqlText.Escape(message.Sender);
                    eventTypes[next] = PostgreSqlText.Escape(message.EventType);
                    contents[next] = message.Content;
                }
            }
        }

        var devices = locks.Sort(Compare, messageDevice, out var messageLater, out var counts, out var known);
        Add(parameters, NpgsqlDbType.Text, Array.ConvertAll(devices, device => device.UserId));
        Add(parameters, NpgsqlDbType.Text, Array.ConvertAll(devices, device => device.DeviceId));
        Add(parameters, NpgsqlDbType.Bigint, counts);
        Add(parameters, NpgsqlDbType.Bigint, known);
        Add(parameters, NpgsqlDbType.Text, Array.ConvertAll(senders, device => device.UserId));
        Add(parameters, NpgsqlDbType.Text, Array.ConvertAll(senders, device => device.DeviceId));
        Add(parameters, NpgsqlDbType.Uuid, keys);
        Add(parameters, NpgsqlDbType.Bigint, commitIds);
        Add(parameters, NpgsqlDbType.Integer, messageDevice);
        Add(parameters, NpgsqlDbType.Integer, messageLater);
        Add(parameters, NpgsqlDbType.Text, Array.ConvertAll(recipients, device => device.UserId));
        Add(parameters, NpgsqlDbType.Text, Array.ConvertAll(recipients, device => device.DeviceId));
        Add(parameters, NpgsqlDbType.Bigint, sendIds);
        Add(parameters, NpgsqlDbType.Text, senderNames);
        Add(parameters, NpgsqlDbType.Text, eventTypes);
        Add(parameters, NpgsqlDbType.Bytea, contents);
        AddEdus(parameters, batch, eduCount);
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

    private static DeviceAddress Recipient(ToDeviceMessage message) =>
        new(PostgreSqlText.Key(message.Recipient.UserId), PostgreSqlText.Key(message.Recipient.DeviceId));

    private static void AddEdus(NpgsqlParameterCollection parameters, List<CommitItem> batch, int eduCount)
    {
        var locks = new Places<string>();
        var eduDestination = new int[eduCount];
        var destinations = new string[eduCount];
        var messageIds = new string[eduCount];
        var contents = new ReadOnlyMemory<byte>[eduCount];
        var next = 0;
        foreach (var item in batch)
        {
            foreach (var edus in item.Transaction.Edus)
            {
                for (var i = 0; i < edus.Count; i++, next++)
                {
                    destinations[next] = edus[i].Destination;
                    eduDestination[next] = locks.Count(edus[i].Destination);
                    messageIds[next] = edus[i].MessageId;
                    contents[next] = edus[i].Content;
                }
            }
        }

        var sorted = locks.Sort(string.CompareOrdinal, eduDestination, out var eduLater, out var counts, out _);
        Add(parameters, NpgsqlDbType.Text, sorted);
        Add(parameters, NpgsqlDbType.Bigint, counts);
        Add(parameters, NpgsqlDbType.Integer, eduDestination);
        Add(parameters, NpgsqlDbType.Integer, eduLater);
        Add(parameters, NpgsqlDbType.Text, destinations);
        Add(parameters, NpgsqlDbType.Text, messageIds);
        Add(parameters, NpgsqlDbType.Bytea, contents);
    }

    // Any order does, as long as all hosts have the same.
    private static int Compare(DeviceAddress one, DeviceAddress other)
    {
        var users = string.CompareOrdinal(one.UserId, other.UserId);
        return users != 0 ? users : string.CompareOrdinal(one.DeviceId, other.DeviceId);
    }

    /// <summary>The counter rows that a batch locks: each once, in one order, with what it counts and what is known of it.</summary>
    private sealed class Places<TKey> where TKey : notnull
    {
        private readonly Dictionary<TKey, int> _places = [];
        private readonly List<TKey> _keys = [];
        private readonly List<long> _counts = [], _known = [];

        /// <summary>Adds a row, if it is not among them; the result is its place in the order of coming.</summary>
        public int Lock(TKey key, long known = 0)
        {
            ref var place = ref CollectionsMarshal.GetValueRefOrAddDefault(_places, key, out var exists);
            if (exists)
            {
                _known[place] = Math.Min(_known[place], known);
                return place;
            }

            place = _keys.Count;
            _keys.Add(key);
            _counts.Add(0);
            _known.Add(known);
            return place;
        }

        public int Count(TKey key, long known = 0)
        {
            var place = Lock(key, known);
            _counts[place]++;
            return place;
        }

        /// <summary>Sorts the rows, and makes each of <paramref name="places"/> a place from 1 in the sorted order.</summary>
        /// <param name="comparison">The order.</param>
        /// <param name="places">For each thing that is counted, its row's place in the order of coming.</param>
        /// <param name="later">For each thing that is counted, how many come behind it in the same row.</param>
        /// <param name="counts">For each row, in the sorted order, how many things are counted.</param>
        /// <param name="known">For each row, in the sorted order, the smallest number that it came with.</param>
        public TKey[] Sort(Comparison<TKey> comparison, int[] places, out int[] later, out long[] counts, out long[] known)
        {
            var order = new int[_keys.Count];
            for (var i = 0; i < order.Length; i++) order[i] = i;
            Array.Sort(order, (one, other) => comparison(_keys[one], _keys[other]));
            var sorted = new int[order.Length];
            for (var i = 0; i < order.Length; i++) sorted[order[i]] = i;

            counts = new long[order.Length];
            later = new int[places.Length];
            for (var i = places.Length - 1; i >= 0; i--)
            {
                var place = sorted[places[i]];
                later[i] = (int)counts[place]++;
                places[i] = place + 1;
            }

            known = Array.ConvertAll(order, place => _known[place]);
            return Array.ConvertAll(order, place => _keys[place]);
        }
    }
}
