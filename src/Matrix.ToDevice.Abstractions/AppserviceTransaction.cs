using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>
/// To-device messages on their way to an appservice (R104). A retry has the same ID and the same entries, on whatever host and after
/// whatever restart: an appservice that knows the ID need not look at it again (R105).
/// </summary>
/// <param name="AppserviceId">The <c>id</c> of its registration.</param>
/// <param name="TransactionId">The <c>txnId</c> of its path: letters and digits.</param>
/// <param name="Entries">
/// What waited, in order. The content of each is a JSON array of events <c>{"sender":…,"type":…,"content":…,"to_user_id":…,"to_device_id":…}</c>.
/// </param>
public sealed record AppserviceTransaction(string AppserviceId, string TransactionId, IReadOnlyList<OutboxEntry> Entries)
{
    /// <summary>Writes the body of the request: <c>{"events":[],"to_device":[…]}</c>, the same in every retry.</summary>
    /// <param name="json">A writer that stands where a value goes.</param>
    /// <param name="keys">
    /// Under which keys the messages go. An appservice that knows both reads one of them; the default is for all that there are.
    /// </param>
    public void WriteTo(Utf8JsonWriter json, AppserviceToDeviceKeys keys = AppserviceToDeviceKeys.Both)
    {
        ArgumentNullException.ThrowIfNull(json);
        if (keys is < AppserviceToDeviceKeys.Stable or > AppserviceToDeviceKeys.Both) throw new ArgumentOutOfRangeException(nameof(keys));

        json.WriteStartObject();
        json.WriteStartArray("events"u8);
        json.WriteEndArray();
        if (keys.HasFlag(AppserviceToDeviceKeys.Stable))
        {
            json.WritePropertyName("to_device"u8);
            WriteToDevice(json);
        }

        if (keys.HasFlag(AppserviceToDeviceKeys.Unstable))
        {
            json.WritePropertyName("de.sorunome.msc2409.to_device"u8);
            WriteToDevice(json);
        }

        json.WriteEndObject();
    }

    /// <summary>Writes the messages alone, for a host that writes the rest of the body itself: an array of events.</summary>
    /// <param name="json">A writer that stands where a value goes.</param>
    public void WriteToDevice(Utf8JsonWriter json)
    {
        ArgumentNullException.ThrowIfNull(json);

        json.WriteStartArray();
        foreach (var entry in Entries)
        {
            // What stands between the brackets, with its commas: each content as it was sent (D9).
            json.WriteRawValue(entry.Content.Span[1..^1], skipInputValidation: true);
        }

        json.WriteEndArray();
    }
}

/// <summary>The names that to-device messages have in a transaction: MSC4203 is not part of the specification yet.</summary>
[Flags]
public enum AppserviceToDeviceKeys
{
    /// <summary><c>to_device</c>, as the specification will have it.</summary>
    Stable = 1,

    /// <summary><c>de.sorunome.msc2409.to_device</c>, which other servers send and older appservices know.</summary>
    Unstable = 2,

    /// <summary>Both of them, with the same messages.</summary>
    Both = Stable | Unstable,
}
