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
        var knownRemovals = long.MaxValue;
        foreach (var item in batch)
        {
            foreach (var messages in item.Transaction.Messages) messageCount += messages.Count;
            foreach (var edus in item.Transaction.Edus) eduCount += edus.Count;
            knownRemovals = Math.Min(knownRemovals, item.KnownRemovals);
        }

        parameters.Add(new NpgsqlParameter<long> { TypedValue = knownRemovals, NpgsqlDbType = NpgsqlDbType.Bigint });
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
            locks.Lock(senders[n]);
            foreach (var messages in transaction.Messages)
            {
                for (var i = 0; i < messages.Count; i++, next++)
                {
                    var message = messages[i];
                    recipients[next] = new DeviceAddress(
                        PostgreSqlText.Key(message.Recipient.UserId), PostgreSqlText.Key(message.Recipient.DeviceId));
                    messageDevice[next] = locks.Count(recipients[next]);
                    sendIds[next] = message.SendId;
                    senderNames[next] = PostgreSqlText.Escape(message.Sender);
                    eventTypes[next] = PostgreSqlText.Escape(message.EventType);
                    contents[next] = message.Content;
                }
            }
        }

        var devices = locks.Sort(Compare, messageDevice, out var messageLater, out var counts);
        Add(parameters, NpgsqlDbType.Text, Array.ConvertAll(devices, device => device.UserId));
        Add(parameters, NpgsqlDbType.Text, Array.ConvertAll(devices, device => device.DeviceId));
        Add(parameters, NpgsqlDbType.Bigint, counts);
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

    public static void Add<T>(NpgsqlParameterCollection parameters, NpgsqlDbType type, T[] values) =>
        parameters.Add(new NpgsqlParameter<T[]> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | type });

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

        var sorted = locks.Sort(string.CompareOrdinal, eduDestination, out var eduLater, out var counts);
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

    /// <summary>The counter rows that a batch locks: each once, in one order, with what it counts.</summary>
    private sealed class Places<TKey> where TKey : notnull
    {
        private readonly Dictionary<TKey, int> _places = [];
        private readonly List<TKey> _keys = [];
        private readonly List<long> _counts = [];

        /// <summary>Adds a row, if it is not among them; the result is its place in the order of coming.</summary>
        public int Lock(TKey key)
        {
            ref var place = ref CollectionsMarshal.GetValueRefOrAddDefault(_places, key, out var exists);
            if (exists) return place;
            place = _keys.Count;
            _keys.Add(key);
            _counts.Add(0);
            return place;
        }

        public int Count(TKey key)
        {
            var place = Lock(key);
            _counts[place]++;
            return place;
        }

        /// <summary>Sorts the rows, and makes each of <paramref name="places"/> a place from 1 in the sorted order.</summary>
        /// <param name="comparison">The order.</param>
        /// <param name="places">For each thing that is counted, its row's place in the order of coming.</param>
        /// <param name="later">For each thing that is counted, how many come behind it in the same row.</param>
        /// <param name="counts">For each row, in the sorted order, how many things are counted.</param>
        public TKey[] Sort(Comparison<TKey> comparison, int[] places, out int[] later, out long[] counts)
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

            return Array.ConvertAll(order, place => _keys[place]);
        }
    }
}
