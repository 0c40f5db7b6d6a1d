# Drives the Windows Update Agent (Microsoft.Update.Session) on this machine and prints one JSON object.
# Reads its order from standard input: {"action":"install","kbArticles":[...],"updateIds":[...]} or
# {"action":"uninstall","updateIds":[...]}. Interfaces: IUpdateSearcher, IUpdateDownloader, IUpdateInstaller,
# IUpdateInstallationResult (https://learn.microsoft.com/windows/win32/wua_sdk/).
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
[Console]::OutputEncoding = [System.Text.Encoding]::UTF8

function Get-Build {
  $key = Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
  '10.0.{0}.{1}' -f $key.CurrentBuildNumber, $key.UBR
}

function Write-Answer($answer) {
  $answer.build = Get-Build
  [Console]::Out.WriteLine((ConvertTo-Json $answer -Depth 5 -Compress))
}

function Select-Updates($found, $order) {
  $selected = New-Object -ComObject Microsoft.Update.UpdateColl
  foreach ($update in $found) {
    $kbs = @($update.KBArticleIDs | ForEach-Object { "KB$_" })
    $named = ($order.updateIds -contains $update.Identity.UpdateID) -or
      (@($kbs | Where-Object { $order.kbArticles -contains $_ }).Count -gt 0)
    if ($order.everything -or $named) {
      if (-not $update.EulaAccepted) { $update.AcceptEula() }
      [void]$selected.Add($update)
    }
  }
  , $selected
}

function Get-Results($updates, $result) {
  $list = @()
  for ($index = 0; $index -lt $updates.Count; $index++) {
    $one = $result.GetUpdateResult($index)
    $list += @{
      updateId = $updates.Item($index).Identity.UpdateID
      kbArticles = @($updates.Item($index).KBArticleIDs | ForEach-Object { "KB$_" })
      resultCode = [int]$one.ResultCode
      hResult = [int]$one.HResult
    }
  }
  , $list
}

try {
  $order = [Console]::In.ReadToEnd() | ConvertFrom-Json
  $session = New-Object -ComObject Microsoft.Update.Session
  $session.ClientApplicationID = 'IoT DICOM Hub agent'
  $searcher = $session.CreateUpdateSearcher()
  $criteria = if ($order.action -eq 'uninstall') { 'IsInstalled=1' } else { "IsInstalled=0 and IsHidden=0 and Type='Software'" }
  $search = $searcher.Search($criteria)
  $updates = Select-Updates $search.Updates $order
  if ($updates.Count -eq 0) {
    Write-Answer @{ phase = 'search'; resultCode = [int]$search.ResultCode; hResult = 0; restartRequired = $false; updates = @() }
    exit 0
  }
  if ($order.action -eq 'install') {
    $downloader = $session.CreateUpdateDownloader()
    $downloader.Updates = $updates
    $download = $downloader.Download()
    if ([int]$download.ResultCode -ne 2) {
      Write-Answer @{ phase = 'download'; resultCode = [int]$download.ResultCode; hResult = [int]$download.HResult; restartRequired = $false; updates = (Get-Results $updates $download) }
      exit 0
    }
  }
  $installer = $session.CreateUpdateInstaller()
  $installer.Updates = $updates
  $result = if ($order.action -eq 'uninstall') { $installer.Uninstall() } else { $installer.Install() }
  Write-Answer @{ phase = $order.action; resultCode = [int]$result.ResultCode; hResult = [int]$result.HResult; restartRequired = [bool]$result.RebootRequired; updates = (Get-Results $updates $result) }
} catch {
  $code = if ($_.Exception.InnerException) { $_.Exception.InnerException.HResult } else { $_.Exception.HResult }
  Write-Answer @{ phase = 'error'; resultCode = 4; hResult = [int]$code; restartRequired = $false; updates = @(); message = [string]$_.Exception.Message }
}
