using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>Keeps what the module logs, as it would stand in a file.</summary>
internal sealed class CapturedLog : ILoggerProvider
{
    private readonly ConcurrentQueue<(LogLevel Level, EventId Id, string Text)> _entries = new();

    public IEnumerable<(LogLevel Level, EventId Id, string Text)> Entries => _entries;

    /// <summary>Has the server log everything from a level on to this.</summary>
    public void AddTo(ISendToDeviceBuilder builder, LogLevel level) =>
        Microsoft.Extensions.DependencyInjection.LoggingServiceCollectionExtensions.AddLogging(
            builder.Services, logging => logging.SetMinimumLevel(level).AddProvider(this));

    public ILogger CreateLogger(string categoryName) =>
        categoryName.StartsWith("Matrix.ToDevice", StringComparison.Ordinal)
            ? new Logger(this)
            : Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance;

    public void Dispose()
    {
    }

    private sealed class Logger(CapturedLog log) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            // With the values by their names too, as structured logs have them.
            var values = state is IEnumerable<KeyValuePair<string, object?>> pairs ? string.Join(" ", pairs) : "";
            log._entries.Enqueue((logLevel, eventId, $"{formatter(state, exception)} {values} {exception}"));
        }
    }
}
