using System.Globalization;
using BenchmarkDotNet.Attributes;
using Matrix.ToDevice.Bench;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice.Pieces;

/// <summary>The in-memory store's part of a send, and of the syncs that take its messages.</summary>
public class StorePieces
{
    private readonly InMemoryStore _store = new(TimeProvider.System, Options.Create(new InMemoryOptions { CapacityBytes = long.MaxValue }));

    private List<ToDeviceMessage> _messages = [];
    private long _sends;

    [Params("a", "b", "c")]
    public string Body { get; set; } = "a";

    [GlobalSetup]
    public void SetUp() => _messages = Matrix.ToDevice.Bench.Body.All.Single(body => body.Name == Body).Messages(0, sendId: 1);

    [Benchmark]
    public async Task CommitAndAcknowledge()
    {
        // Each send comes to the same devices, so that its number is its place in their inboxes.
        _sends++;
        var key = new TransactionKey(
            "@sender:example.org", "DEVICE", TransactionKey.SendToDevice, "m.room.encrypted", _sends.ToString(CultureInfo.InvariantCulture));
        await using (var transaction = (await _store.BeginAsync(key, _store.KnownRemovals, CancellationToken.None))!)
        {
            await _store.AppendAsync(transaction, _messages, CancellationToken.None);
            await transaction.CommitAsync(CancellationToken.None);
        }

        foreach (var message in _messages) await _store.AcknowledgeAsync(message.Recipient, new InboxPosition(_sends, 1), CancellationToken.None);
    }
}
