using System.CommandLine;
using System.CommandLine.Invocation;
using System.Text;
using Matrix.ToDevice.Tool;

// Strangers' text is any text.
Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
var parsed = ToolCommands.Create().Parse(args);
if (parsed.Action is ParseErrorAction) return UsageErrors.Tell(parsed);
return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
