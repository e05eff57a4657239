using System.Text;

namespace Matrix.ToDevice.Bench;

/// <summary>What is sent: so many targets, so many bytes for each.</summary>
internal sealed record Body(string Name, int Targets, int Bytes)
{
    /// <summary>One message; a room key to a small room; the largest batch that SDKs send.</summary>
    public static IReadOnlyList<Body> All { get; } = [new("a", 1, 300), new("b", 20, 2048), new("c", 250, 2048)];

    /// <summary>How many recipients there are; a send goes to some of them.</summary>
    public const int Recipients = 1000;

    public static string UserId(int i) => $"@user{i}:example.org";

    public const string DeviceId = "ABCDEFGHIJ";

    /// <summary>The content of each message: an object of this size with one string.</summary>
    public byte[] Content { get; } = Encoding.UTF8.GetBytes($$"""{"ciphertext":"{{new string('x', Bytes - 17)}}"}""");

    /// <summary>The request's JSON, to a run of recipients.</summary>
    public byte[] Json(int first) => JsonTo(Enumerable.Range(first, Targets).Select(i => i % Recipients));

    /// <summary>The request's JSON, to these recipients.</summary>
    public byte[] JsonTo(IEnumerable<int> recipients)
    {
        var content = Encoding.UTF8.GetString(Content);
        var users = recipients.Select(i => $"\"{UserId(i)}\":{{\"{DeviceId}\":{content}}}");
        return Encoding.UTF8.GetBytes($"{{\"messages\":{{{string.Join(',', users)}}}}}");
    }

    /// <summary>The messages as a store gets them.</summary>
    public List<ToDeviceMessage> Messages(int first, long sendId, int recipients = Recipients) =>
    [
        .. Enumerable.Range(0, Targets).Select(i => new ToDeviceMessage(
            new DeviceAddress(UserId((first + i) % recipients), DeviceId), "@sender:example.org", "m.room.encrypted", Content, sendId)),
    ];
}
