using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>
/// Finds requests that their recipient need not see any more, with what cancels them (R130, MSC3944): in one pass over a page, each content
/// read once. Contents are strangers' JSON: what cannot be read is kept (D24).
/// </summary>
internal static class StaleRequests
{
    // Clients ignore verification requests that are older.
    private const long VerificationMilliseconds = 10 * 60 * 1000;

    private enum Kind
    {
        None,
        RoomKey,
        Secret,
        Verification,
    }

    /// <summary>Whether messages of this type can be such requests.</summary>
    public static bool MayBe(string eventType) => KindOf(eventType, out _) != Kind.None;

    /// <summary>Tells what is not to be handed out, where nothing is told yet.</summary>
    public static void Find(IReadOnlyList<InboxMessage> messages, DateTimeOffset now, HiddenReason[] reasons)
    {
        Dictionary<Request, List<int>>? open = null;
        for (var i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            var kind = KindOf(message.EventType, out var isCancel);
            if (kind == Kind.None || Read(message.Content.Span, kind) is not { } said) continue;

            isCancel |= said.IsCancellation;
            var request = new Request(kind, message.Sender, said.DeviceId, said.Id);
            open ??= [];
            if (!isCancel) Add(i, request, said.Timestamp);
            else if (open.Remove(request, out var cancelled)) Cancel(i, cancelled);
        }

        void Add(int i, Request request, long? timestamp)
        {
            if (!open!.TryGetValue(request, out var before)) open.Add(request, before = []);
            // Of those that are the same, the last one is kept.
            if (request.Kind == Kind.RoomKey && before is [.., var last] && messages[last].Content.Span.SequenceEqual(messages[i].Content.Span))
                Hide(last, HiddenReason.Stale);
            if (request.Kind == Kind.Verification && timestamp < now.ToUnixTimeMilliseconds() - VerificationMilliseconds)
                Hide(i, HiddenReason.Stale);
            before.Add(i);
        }

        void Cancel(int i, List<int> requests)
        {
            foreach (var cancelled in requests) Hide(cancelled, HiddenReason.Cancelled);
            Hide(i, HiddenReason.Cancelled);
        }

        void Hide(int i, HiddenReason reason)
        {
            if (reasons[i] == HiddenReason.None) reasons[i] = reason;
        }
    }

    private static Kind KindOf(string eventType, out bool isCancel)
    {
        isCancel = eventType == "m.key.verification.cancel";
        return eventType switch
        {
            "m.room_key_request" => Kind.RoomKey,
            "m.secret.request" => Kind.Secret,
            "m.key.verification.request" or "m.key.verification.cancel" => Kind.Verification,
            _ => Kind.None,
        };
    }

    private static Said? Read(ReadOnlySpan<byte> content, Kind kind)
    {
        try
        {
            return ReadObject(content, kind);
        }
        catch (JsonException)
        {
            // It came out of a store. What a client cannot read, it will say itself.
            return null;
        }
    }

    private static Said? ReadObject(ReadOnlySpan<byte> content, Kind kind)
    {
        string? action = null, id = null, deviceId = null;
        long? timestamp = null;
        var (actions, ids, deviceIds, timestamps) = (0, 0, 0, 0);
        var reader = new Utf8JsonReader(content, new JsonReaderOptions { MaxDepth = int.MaxValue });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.ValueSpan;
            reader.Read();
            if (JsonText.Equals(name, "action"u8)) (actions, action) = (actions + 1, Text(reader));
            else if (JsonText.Equals(name, kind == Kind.Verification ? "transaction_id"u8 : "request_id"u8)) (ids, id) = (ids + 1, Text(reader));
            else if (JsonText.Equals(name, "requesting_device_id"u8)) (deviceIds, deviceId) = (deviceIds + 1, Text(reader));
            else if (JsonText.Equals(name, "timestamp"u8)) (timestamps, timestamp) = (timestamps + 1, Number(reader));
            reader.Skip();
        }

        // Readers differ in which of two they take.
        if (id is null || actions > 1 || ids > 1 || deviceIds > 1 || timestamps > 1) return null;
        if (kind == Kind.Verification) return new Said(id, "", IsCancellation: false, timestamp);
        return deviceId is null || action is not ("request" or "request_cancellation")
            ? null
            : new Said(id, deviceId, action == "request_cancellation", null);
    }

    private static string? Text(in Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.String ? JsonText.Decode(reader.ValueSpan) : null;

    private static long? Number(in Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.Number && CanonicalNumber.TryGetInteger(reader.ValueSpan, out var number) ? number : null;

    private readonly record struct Request(Kind Kind, string Sender, string DeviceId, string Id);

    private readonly record struct Said(string Id, string DeviceId, bool IsCancellation, long? Timestamp);
}
