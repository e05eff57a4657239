using System.Security.Cryptography;
using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>An export with one of everything, its counts and its sum, by somebody who has read the format (docs/decisions/029).</summary>
internal static class ForgedExport
{
    /// <summary>With another number in a field; all others are what they may be.</summary>
    public static byte[] With(string field, long number)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() * 1000;
        using var file = new MemoryStream();
        using var writer = new BinaryWriter(file);
        writer.Write("matrix-to-device export 1\n"u8);
        Entry('D', "@bob:here", "B1");
        Number("last_sequence", 1);
        Number("acknowledged", 0);
        Entry('I', "@bob:here", "B1");
        writer.Write('M');
        Number("sequence", 1);
        Number("send_id", -7);
        foreach (var text in new[] { "@alice:here", "m.test", "{}" }) Text(text);
        Number("committed_at", now);
        writer.Write('S');
        writer.Write((byte)0);
        Name("@bob:here");
        Name("B1");
        writer.Write('T');
        writer.Write(new byte[16]);
        Number("last_used", now);
        writer.Write('L');
        Text("other.example");
        Number("sending_up_to", 0);
        Number("failures", 0);
        Number("free_at", 0);
        writer.Write('O');
        Text("other.example");
        writer.Write('E');
        Number("position", 1);
        Text("m1");
        Text("{}");
        Number("EDU committed_at", now);
        writer.Write('Z');
        for (var count = 0; count < 5; count++) writer.Write(1L);
        writer.Flush();
        return [.. file.ToArray(), .. SHA256.HashData(file.ToArray())];

        void Entry(char letter, string user, string device)
        {
            writer.Write(letter);
            Name(user);
            Name(device);
        }

        void Name(string name)
        {
            writer.Write(false);
            Text(name);
        }

        void Text(string text)
        {
            writer.Write((uint)text.Length);
            writer.Write(Encoding.UTF8.GetBytes(text));
        }

        void Number(string name, long usual) => writer.Write(name == field ? number : usual);
    }
}
