using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>Stands between a store and the server, to break what a test wants broken.</summary>
internal sealed class TestProxy : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int _serverPort;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly List<(TcpClient Client, TcpClient Server, Said Says)> _connections = [];
    private readonly TaskCompletionSource _held = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _letGo = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string? _cutting, _muting, _holding;
    private int _lostAnswers;
    private long _answered, _roundTrips;

    public TestProxy(int serverPort)
    {
        _serverPort = serverPort;
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>The answer to the next statement that contains this is lost, with its connection; the server has carried it out.</summary>
    public volatile string? LoseAnswerTo;

    public int LostAnswers => _lostAnswers;

    /// <summary>How many bytes the server has said so far, on all connections.</summary>
    public long Answered => Volatile.Read(ref _answered);

    /// <summary>How often the server has said that it is ready for the next thing, on all connections.</summary>
    public long RoundTrips => Volatile.Read(ref _roundTrips);

    /// <summary>Cuts the connections that have said this, now and as soon as one says it.</summary>
    public void Cut(string words)
    {
        _cutting = words;
        lock (_lock)
        {
            // Some have ended: of one that is cut, Npgsql concludes that its others are broken too.
            foreach (var (client, _, says) in _connections)
                if (says.Contains(words)) client.Client?.Close();
        }
    }

    /// <summary>Swallows what the server says on connections that have said this, as a pooler does that forgets sessions.</summary>
    public void Mute(string words) => _muting = words;

    /// <summary>Keeps the next statement that contains this on the wire, even when its client has gone; completes when there is one.</summary>
    public Task HoldBack(string words)
    {
        _holding = words;
        return _held.Task;
    }

    /// <summary>Sends on what was held back, and waits until the server has carried it out, or turns out to have gone.</summary>
    public Task LetGoAsync()
    {
        _letGo.TrySetResult();
        return _arrived.Task;
    }

    public void Mend() => _cutting = _muting = null;

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Stop();
        lock (_lock)
        {
            foreach (var (client, server, _) in _connections)
            {
                client.Dispose();
                server.Dispose();
            }
        }

        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                var server = new TcpClient { NoDelay = true };
                client.NoDelay = true;
                await server.ConnectAsync(IPAddress.Loopback, _serverPort, _stop.Token);
                var says = new Said();
                lock (_lock) _connections.Add((client, server, says));
                _ = ForwardAsync(client, server, says, bytes => Ask(bytes, says));
                _ = ForwardAsync(server, client, says, bytes => Answer(bytes, says));
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private enum Fate { Pass, Swallow, Cut, Hold }

    private Fate Ask(ReadOnlyMemory<byte> bytes, Said says)
    {
        var text = Encoding.Latin1.GetString(bytes.Span);
        says.Add(text);
        if (LoseAnswerTo is { } lost && text.Contains(lost, StringComparison.Ordinal))
        {
            LoseAnswerTo = null;
            says.IsLosingAnswer = true;
        }

        if (_cutting is { } cutting && text.Contains(cutting, StringComparison.Ordinal)) return Fate.Cut;
        if (_holding is not { } holding || !text.Contains(holding, StringComparison.Ordinal)) return Fate.Pass;
        _holding = null;
        says.IsHeld = true;
        return Fate.Hold;
    }

    private Fate Answer(ReadOnlyMemory<byte> bytes, Said says)
    {
        Interlocked.Add(ref _answered, bytes.Length);
        Interlocked.Add(ref _roundTrips, says.Ready.Count(bytes.Span));
        if (says.IsHeld) _arrived.TrySetResult();
        if (_muting is { } muting && says.Contains(muting)) return Fate.Swallow;
        if (says.IsLosingAnswer)
        {
            Interlocked.Increment(ref _lostAnswers);
            return Fate.Cut;
        }

        return Fate.Pass;
    }

    private async Task ForwardAsync(TcpClient from, TcpClient to, Said says, Func<ReadOnlyMemory<byte>, Fate> fate)
    {
        var buffer = new byte[65_536];
        try
        {
            while (await from.Client.ReceiveAsync(buffer, _stop.Token) is var length and > 0)
            {
                var decided = fate(buffer.AsMemory(0, length));
                if (decided == Fate.Cut) break;
                if (decided == Fate.Hold)
                {
                    _held.TrySetResult();
                    await _letGo.Task;
                }

                if (decided != Fate.Swallow) await to.Client.SendAsync(buffer.AsMemory(0, length), _stop.Token);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // One side has gone; so does the other.
        }

        from.Dispose();
        to.Dispose();
        if (says.IsHeld) _arrived.TrySetResult();
    }

    /// <summary>What a client has said so far.</summary>
    private sealed class Said
    {
        private readonly StringBuilder _text = new();

        public volatile bool IsLosingAnswer, IsHeld;

        public ReadyCounter Ready { get; } = new();

        public void Add(string text)
        {
            lock (_text) _text.Append(text);
        }

        public bool Contains(string words)
        {
            lock (_text) return _text.ToString().Contains(words, StringComparison.Ordinal);
        }
    }
}
