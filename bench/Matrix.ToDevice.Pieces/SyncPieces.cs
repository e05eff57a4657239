using System.Buffers;
using System.Text.Json;
using BenchmarkDotNet.Attributes;
using Matrix.ToDevice.Bench;

namespace Matrix.ToDevice.Pieces;

/// <summary>The token of a sync, and the page that it answers with.</summary>
public class SyncPieces
{
    private static readonly DeviceAddress s_device = new("@user1:example.org", "ABCDEFGHIJ");
    private static readonly string s_token = SyncToken.Format(s_device, new InboxPosition(7, 8));

    private readonly ArrayBufferWriter<byte> _output = new(1 << 17);
    private readonly Utf8JsonWriter _json = new(new ArrayBufferWriter<byte>());
    private readonly ToDeviceBatch _batch = new(
        new InboxPage([.. Enumerable.Repeat(new InboxMessage(new InboxPosition(1, 1), "@sender:example.org", "m.room.encrypted", Body.All[0].Content), 100)], false),
        s_token);

    [Benchmark]
    public string FormatToken() => SyncToken.Format(s_device, new InboxPosition(7, 8));

    [Benchmark]
    public bool ParseToken() => SyncToken.TryParse(s_token, s_device, out _);

    [Benchmark]
    public void WritePageOf100()
    {
        _output.ResetWrittenCount();
        _json.Reset(_output);
        _batch.WriteTo(_json);
        _json.Flush();
    }
}
