// In a test project, these are [Test], [TestCase] and [TestCaseSource].
global using TestAttribute = Matrix.ToDevice.Tests.TestAttribute;
global using TestCaseAttribute = Matrix.ToDevice.Tests.TestCaseAttribute;
global using TestCaseSourceAttribute = Matrix.ToDevice.Tests.TestCaseSourceAttribute;
using System.Diagnostics;
using System.Globalization;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;
using NUnit.Framework.Internal.Commands;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// A test has so long, its set-up and tear-down included; then it has failed, by its name, and the next one runs. What it
/// waits for, in whatever way, needs no limit of its own.
/// </summary>
/// <remarks>
/// The limits bound failure only: a busy machine takes many times as long as an idle one. NUnit's own <c>[Timeout]</c> does
/// not work on .NET, and <c>[CancelAfter]</c> ends nothing that does not look at its token.
/// </remarks>
internal sealed class TimeLimit(TestCommand test) : DelegatingTestCommand(test)
{
    private const int Minutes = 2;
    private const int SlowMinutes = 5;

    // Where everything hangs, the suite has to end too, and say so.
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(12);

    private static readonly string? s_minutes = Environment.GetEnvironmentVariable("TEST_MINUTES");
    private static readonly AsyncLocal<CancellationToken> s_over = new();
    private static long s_ticksOfFailures;

    /// <summary>For a wait outside of tests (a one-time set-up), or one that can tell better what it waited for.</summary>
    public static TimeSpan OfOneWait => TimeSpan.FromMinutes(1);

    /// <summary>One more turn of a loop that looks until something is so: none when the time of its test is over.</summary>
    public static async Task OneMoreTurnAsync()
    {
        s_over.Value.ThrowIfCancellationRequested();
        await Task.Yield();
    }

    public static TestCommand Of(TestCommand test) => test as TimeLimit ?? new TimeLimit(test);

    public override TestResult Execute(TestExecutionContext context)
    {
        if (Debugger.IsAttached) return innerCommand.Execute(context);
        if (Volatile.Read(ref s_ticksOfFailures) >= s_patience.Ticks)
            return Failed($"Not run: the tests that failed before it took {s_patience.TotalMinutes} minutes.");

        var started = TimeProvider.System.GetTimestamp();
        var result = ExecuteInTime(context);
        if (result.ResultState.Status == TestStatus.Failed)
            Interlocked.Add(ref s_ticksOfFailures, TimeProvider.System.GetElapsedTime(started).Ticks);
        return result;
    }

    private TestResult ExecuteInTime(TestExecutionContext context)
    {
        var minutes = s_minutes is not null ? int.Parse(s_minutes, CultureInfo.InvariantCulture) : IsSlow(Test) ? SlowMinutes : Minutes;
        using var over = new CancellationTokenSource();
        s_over.Value = over.Token;
        // A thread of its own: a test that blocks its thread is left behind too.
        var running = Task.Factory.StartNew(
            () => innerCommand.Execute(context), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        if (Task.WaitAny([running], TimeSpan.FromMinutes(minutes)) == 0) return running.GetAwaiter().GetResult();

        over.Cancel();
        return Failed($"It did not end within {minutes} minutes: what it waits for does not come. (TEST_MINUTES sets another limit.)");
    }

    private static bool IsSlow(ITest? test) =>
        test is not null && (test.Properties[PropertyNames.Category].Contains("Slow") || IsSlow(test.Parent));

    // The context's own result belongs to the test, which may still be running.
    private TestResult Failed(string message)
    {
        var result = Test.MakeTestResult();
        result.SetResult(ResultState.Failure, message);
        return result;
    }
}

/// <summary>NUnit's, with a <see cref="TimeLimit"/>.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class TestAttribute : NUnit.Framework.TestAttribute, IWrapSetUpTearDown
{
    public TestCommand Wrap(TestCommand command) => TimeLimit.Of(command);
}

/// <inheritdoc cref="TestAttribute"/>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class TestCaseAttribute(params object?[]? arguments) : NUnit.Framework.TestCaseAttribute(arguments), IWrapSetUpTearDown
{
    public TestCommand Wrap(TestCommand command) => TimeLimit.Of(command);
}

/// <inheritdoc cref="TestAttribute"/>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class TestCaseSourceAttribute : NUnit.Framework.TestCaseSourceAttribute, IWrapSetUpTearDown
{
    public TestCaseSourceAttribute(string sourceName)
        : base(sourceName)
    {
    }

    public TestCaseSourceAttribute(Type sourceType, string sourceName)
        : base(sourceType, sourceName)
    {
    }

    public TestCommand Wrap(TestCommand command) => TimeLimit.Of(command);
}
