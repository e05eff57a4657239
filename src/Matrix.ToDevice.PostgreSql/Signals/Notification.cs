using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>What one host tells the others, as the payload of a <c>NOTIFY</c>: a line of JSON.</summary>
/// <param name="From">The store that sends it.</param>
/// <param name="Removals">
/// The last removal that the sender knows of, for hosts of earlier versions. It is not read: anybody with rights in the database may
/// say any number.
/// </param>
/// <param name="Arrived">Devices that have got messages.</param>
/// <param name="Removed">Devices that were removed.</param>
/// <param name="Ping">The sender's own question whether notifications come through.</param>
/// <param name="Presence">How the sender says that it listens.</param>
internal sealed record Notification(
    string From, long Removals, IReadOnlyCollection<DeviceAddress> Arrived, IReadOnlyCollection<DeviceAddress> Removed,
    string? Ping = null, Presence Presence = Presence.None)
{
    /// <summary>PostgreSQL's bound is 8000 bytes.</summary>
    private const int MaxPayloadBytes = 7900;

    /// <summary>As few payloads as it takes. A device whose ID does not fit into any is left out: its syncs look by themselves.</summary>
    public List<string> ToPayloads()
    {
        var payloads = new List<string>();
        var buffer = new ArrayBufferWriter<byte>(MaxPayloadBytes);
        using var json = new Utf8JsonWriter(buffer);
        var emptyBytes = Begin();
        Write("removed", Removed);
        Write("arrived", Arrived);
        if (Bytes() > emptyBytes || payloads.Count == 0 && (Ping is not null || Presence != Presence.None)) End();
        return payloads;

        long Bytes() => json.BytesCommitted + json.BytesPending;

        long Begin()
        {
            json.WriteStartObject();
            json.WriteString("from", From);
            json.WriteNumber("removals", Removals);
            if (Ping is not null) json.WriteString("ping", Ping);
            if (Presence != Presence.None) json.WriteNumber("presence", (int)Presence);
            return Bytes();
        }

        void End()
        {
            json.WriteEndObject();
            json.Flush();
            payloads.Add(Encoding.UTF8.GetString(buffer.WrittenSpan));
            buffer.ResetWrittenCount();
            json.Reset();
        }

        void Write(string name, IReadOnlyCollection<DeviceAddress> devices)
        {
            var isOpen = false;
            foreach (var device in devices)
            {
                var size = MostBytes(device);
                if (Bytes() + name.Length + size > MaxPayloadBytes) size = JsonBytes(device);
                if (emptyBytes + name.Length + size > MaxPayloadBytes) continue;
                if (Bytes() + name.Length + size > MaxPayloadBytes)
                {
                    if (isOpen) json.WriteEndArray();
                    isOpen = false;
                    End();
                    Begin();
                }

                if (!isOpen) json.WriteStartArray(name);
                isOpen = true;
                json.WriteStartArray();
                json.WriteStringValue(device.UserId);
                json.WriteStringValue(device.DeviceId);
                json.WriteEndArray();
            }

            if (isOpen) json.WriteEndArray();
        }
    }

    /// <summary>
    /// Whether it is one of this store that says nothing but which devices it has touched, which it knows: they come back to whoever
    /// has sent them.
    /// </summary>
    public static bool IsOwnNews(string payload, string own)
    {
        var rest = payload.AsSpan();
        if (!rest.StartsWith("{\"from\":\"") || !rest[9..].StartsWith(own)) return false;
        rest = rest[(9 + own.Length)..];
        return rest.StartsWith("\",\"removals\":") && rest[13..] is var tail
            && tail[(tail.IndexOf(',') + 1)..] is var next && (next.StartsWith("\"arrived\"") || next.StartsWith("\"removed\""));
    }

    /// <exception cref="JsonException">It is none of ours.</exception>
    public static Notification Parse(string payload)
    {
        try
        {
            using var document = JsonDocument.Parse(payload);
            var root = document.RootElement;
            return new Notification(
                root.GetProperty("from").GetString()!, Removals: 0, Devices("arrived"), Devices("removed"),
                root.TryGetProperty("ping", out var ping) ? ping.GetString() : null,
                root.TryGetProperty("presence", out var presence) ? (Presence)presence.GetInt32() : Presence.None);

            List<DeviceAddress> Devices(string name)
            {
                var found = new List<DeviceAddress>();
                if (!root.TryGetProperty(name, out var devices)) return found;
                foreach (var device in devices.EnumerateArray()) found.Add(new DeviceAddress(device[0].GetString()!, device[1].GetString()!));
                return found;
            }
        }
        catch (Exception exception) when (exception is KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException or FormatException)
        {
            throw new JsonException("It is no notification of a store.", exception);
        }
    }

    // Around each device, and around all of them with their name, beside the name itself.
    private const int FixedBytes = 16;

    // A character has six bytes at most.
    private static int MostBytes(DeviceAddress device) => FixedBytes + 6 * (device.UserId.Length + device.DeviceId.Length);

    private static int JsonBytes(DeviceAddress device) => FixedBytes + JsonEncodedText.Encode(device.UserId).EncodedUtf8Bytes.Length
        + JsonEncodedText.Encode(device.DeviceId).EncodedUtf8Bytes.Length;
}

/// <summary>How stores that listen learn of each other.</summary>
[Flags]
internal enum Presence
{
    None = 0,

    /// <summary>This store has begun to listen: the others answer.</summary>
    Asks = 1,

    /// <summary>This store did not know of somebody who listens, and notifies from here on: whoever waits, look.</summary>
    Answers = 2,
}
