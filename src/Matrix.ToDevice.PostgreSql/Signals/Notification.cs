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
    string From, long Removals, IReadOnlyList<DeviceAddress> Arrived, IReadOnlyList<DeviceAddress> Removed,
    string? Ping = null, Presence Presence = Presence.None)
{
    /// <summary>PostgreSQL's bound is 8000 bytes.</summary>
    private const int MaxPayloadBytes = 7900;

    // Characters of six bytes at most, around them the fixed parts.
    private static int JsonBytes(DeviceAddress device) => 6 + JsonEncodedText.Encode(device.UserId).EncodedUtf8Bytes.Length
        + JsonEncodedText.Encode(device.DeviceId).EncodedUtf8Bytes.Length;

    /// <summary>As few payloads as it takes. A device whose ID does not fit into any is left out: its syncs look by themselves.</summary>
    public IEnumerable<string> ToPayloads()
    {
        List<DeviceAddress> arrived = [], removed = [];
        var bytes = 0;
        foreach (var (device, isRemoved) in Removed.Select(device => (device, true)).Concat(Arrived.Select(device => (device, false))))
        {
            var size = JsonBytes(device);
            if (size > MaxPayloadBytes - 200) continue;
            if (bytes + size > MaxPayloadBytes - 200)
            {
                yield return ToPayload(arrived, removed);
                (arrived, removed, bytes) = ([], [], 0);
            }

            (isRemoved ? removed : arrived).Add(device);
            bytes += size;
        }

        if (bytes > 0 || Ping is not null || Presence != Presence.None) yield return ToPayload(arrived, removed);
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

    private string ToPayload(List<DeviceAddress> arrived, List<DeviceAddress> removed)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("from", From);
            json.WriteNumber("removals", Removals);
            Write("arrived", arrived);
            Write("removed", removed);
            if (Ping is not null) json.WriteString("ping", Ping);
            if (Presence != Presence.None) json.WriteNumber("presence", (int)Presence);
            json.WriteEndObject();

            void Write(string name, List<DeviceAddress> devices)
            {
                if (devices.Count == 0) return;
                json.WriteStartArray(name);
                foreach (var device in devices)
                {
                    json.WriteStartArray();
                    json.WriteStringValue(device.UserId);
                    json.WriteStringValue(device.DeviceId);
                    json.WriteEndArray();
                }

                json.WriteEndArray();
            }
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }
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
