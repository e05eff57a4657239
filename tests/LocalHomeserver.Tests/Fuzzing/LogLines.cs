using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace LocalHomeserver.Tests;

/// <summary>Looks at everything that is logged: each message is one line, and none is an error.</summary>
internal sealed class LogLines : ILoggerProvider
{
    private readonly ConcurrentQueue<string> _broken = [], _errors = [];
    private long _count;

    /// <summary>How many there were.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>What was wrong first; null when nothing was.</summary>
    public string? Problem => _broken.TryPeek(out var first) || _errors.TryPeek(out first) ? first : null;

    /// <summary>The errors are known from their answers.</summary>
    public void ForgetErrors() => _errors.Clear();

    public ILogger CreateLogger(string categoryName) => new Lines(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class Lines(LogLines all, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            Interlocked.Increment(ref all._count);
            var message = formatter(state, exception);
            if (message.AsSpan().ContainsAny('\u2028', '\u2029') || message.Any(char.IsControl))
                all._broken.Enqueue($"a log entry of {category} is not one line: {Uri.EscapeDataString(message)}");
            if (logLevel >= LogLevel.Error) all._errors.Enqueue($"{category} logged: {message} {exception}");
        }
    }
}
