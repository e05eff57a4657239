using System.Collections.Concurrent;
using System.Text;

namespace Matrix.ToDevice;

/// <summary>
/// Gives a store IDs that are as long as the specification allows, and random, in the place of the short ones that a case speaks of. They
/// differ at their ends: a column that is too short, or an index over the beginning of one, takes them for each other.
/// </summary>
internal sealed class LongIds
{
    public const int Bytes = 255;

    // Those in which it matters most what a store does with an ID on its way: keep, find, and delete.
    private static readonly HashSet<string> s_promises =
    [
        Promises.LaterDevice, Promises.UnusedRecords, Promises.OnlyReceived, Promises.OneSender, Promises.Restart, Promises.Hosts,
        Promises.InboxesMeasured, Promises.CommittedKnown, Promises.OldExpire,
    ];

    private readonly string _random = Texts.Random(Bytes);
    private readonly string _labels = Texts.RandomLabels();
    private readonly ConcurrentDictionary<string, string> _short = new();

    public static bool AreUsedFor(ConformanceCase one) => s_promises.Contains(one.Promise);

    /// <summary>The same instance, behind long IDs.</summary>
    public StoreInstance In(StoreInstance instance)
    {
        var store = new LongIdStore(this, instance);
        return new StoreInstance(store, store, instance.Outbox is null ? null : store, instance);
    }

    public DeviceAddress Of(DeviceAddress device) => new(OfUser(device.UserId), Of(device.DeviceId));

    public TransactionKey Of(TransactionKey key) => key with
    {
        UserId = key.Endpoint == TransactionKey.DirectToDevice ? OfDestination(key.UserId) : OfUser(key.UserId),
        DeviceId = key.DeviceId is null ? null : Of(key.DeviceId),
        EventType = key.EventType.Length == 0 ? "" : Of(key.EventType),
        TransactionId = Of(key.TransactionId),
    };

    /// <summary>A device ID, an event type or a transaction ID.</summary>
    public string Of(string text) => Known(text, Before(text) + text);

    public string OfUser(string userId) => Known(userId, $"@{Before(userId)}{userId[1..]}");

    /// <summary>They keep their ordinal order.</summary>
    public string OfDestination(string name) => Known(name, $"{_labels}.{name}");

    /// <summary>What a case knows it as.</summary>
    public string Short(string id) => _short.GetValueOrDefault(id, id);

    // With a character between them that is in neither, no end of a longer text is taken for a shorter one.
    private string Before(string text) => $"{_random[..(Bytes - 1 - Encoding.UTF8.GetByteCount(text))]}=";

    private string Known(string text, string id)
    {
        _short.TryAdd(id, text);
        return id;
    }
}
